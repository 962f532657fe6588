//! The issuer's public keys.

use std::collections::HashMap;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};

/// Keys of one issuer at most; more is not a key set but an attack or a mistake.
const KEYS_MAX: usize = 32;

/// The Ed25519 keys of a key set, by their id. Others are left out: a token is
/// only ever checked with EdDSA.
#[derive(Clone, Default)]
pub(super) struct Keys(HashMap<String, DecodingKey>);

/// A key set that is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    #[error("not a JSON Web Key Set")]
    NotJwks(#[source] serde_json::Error),
    #[error("no usable key in the JSON Web Key Set")]
    Empty,
}

impl Keys {
    pub(super) fn parse(jwks: &str) -> Result<Self, KeysError> {
        let set: JwkSet = serde_json::from_str(jwks).map_err(KeysError::NotJwks)?;
        let keys: HashMap<_, _> = set.keys.iter().filter_map(usable).take(KEYS_MAX).collect();
        if keys.is_empty() {
            return Err(KeysError::Empty);
        }
        Ok(Self(keys))
    }

    pub(super) fn get(&self, id: &str) -> Option<&DecodingKey> {
        self.0.get(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn usable(jwk: &Jwk) -> Option<(String, DecodingKey)> {
    let AlgorithmParameters::OctetKeyPair(pair) = &jwk.algorithm else {
        return None;
    };
    let common = &jwk.common;
    let is_for_signing = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let is_eddsa = matches!(common.key_algorithm, None | Some(KeyAlgorithm::EdDSA));
    if pair.curve != EllipticCurve::Ed25519 || !is_for_signing || !is_eddsa {
        return None;
    }
    let key = DecodingKey::from_ed_components(&pair.x).ok()?;
    Some((common.key_id.clone()?, key))
}
