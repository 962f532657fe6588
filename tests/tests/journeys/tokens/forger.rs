//! Makes tokens, good ones and bad ones, with loan-auth's own key and without.

use anyhow::{Context, Result};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use common::clock::Clock;
use journeys::harness::Journey;
use serde_json::{Value, json};

/// The order of Ed25519's group, little-endian: a signature's second half is
/// below it, and adding it makes another spelling of the same signature.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A signing key.
pub(crate) struct Key {
    document: Vec<u8>,
    pair: Ed25519KeyPair,
}

impl Key {
    pub(crate) fn generate() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self { document: document.as_ref().to_vec(), pair }
    }

    /// As loan-auth is given it.
    pub(crate) fn pem(&self) -> String {
        let body = BASE64_STANDARD.encode(&self.document);
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    }

    fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// `x` of a JWK.
    fn x(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.public())
    }
}

/// Knows loan-auth's key, and what good tokens say.
pub(crate) struct Forger {
    key: Key,
    stranger: Key,
    kid: String,
    jwks: String,
    customers: Value,
    /// A token of loan-auth's own making, of a customer and of an officer.
    genuine: [String; 2],
}

impl Forger {
    pub(crate) async fn new(
        key: Key,
        journey: &Journey,
        customer: &str,
        officer: &str,
    ) -> Result<Self> {
        let jwks = journey.client.get("/.well-known/jwks.json", "").await?.expect(200)?;
        anyhow::ensure!(jwks.text.contains(&key.x()), "it is another key: {}", jwks.text);
        let claims = customer.split('.').nth(1).context("claims")?;
        Ok(Self {
            kid: jwks.text_at("/keys/0/kid")?,
            jwks: jwks.text,
            customers: serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?,
            genuine: [customer.to_owned(), officer.to_owned()],
            stranger: Key::generate(),
            key,
        })
    }

    fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": "EdDSA", "kid": self.kid })
    }

    /// A good token, made here.
    pub(super) fn genuine(&self) -> String {
        self.signed(&self.header(), &self.customers)
    }

    /// A token that is signed as it must be, and says something else.
    pub(crate) fn with_claim(&self, name: &str, value: Value) -> String {
        self.signed(&self.header(), &changed(&self.customers, name, value))
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        self.signed(&changed(&self.header(), name, value), &self.customers)
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        signed_by(&self.key, header, claims)
    }

    /// Tokens that must open nothing, each with its flaw.
    pub(super) fn forgeries(&self) -> Vec<(String, String)> {
        let mut all = self.other_algorithms();
        all.extend(self.other_keys());
        all.extend(self.other_claims());
        all.extend(self.other_signatures());
        all.extend(self.other_texts());
        all.into_iter().map(|(flaw, token)| (flaw.to_owned(), token)).collect()
    }

    fn other_algorithms(&self) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        for none in ["none", "None", "NONE", "nOnE", ""] {
            let header = changed(&self.header(), "alg", json!(none));
            let input = input(&header, &self.customers);
            all.push(("no algorithm, no signature", format!("{input}.")));
            all.push(("no algorithm, a signature", self.signed(&header, &self.customers)));
        }
        let spki =
            [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], self.key.public()];
        let body = BASE64_STANDARD.encode(spki.concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let x = self.key.x();
        for secret in [self.key.public(), x.as_bytes(), self.jwks.as_bytes(), pem.as_bytes(), b""] {
            let header = changed(&self.header(), "alg", json!("HS256"));
            let input = input(&header, &self.customers);
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
            let tag = BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref());
            all.push(("the public key as a secret", format!("{input}.{tag}")));
            let input = crate::tokens::forger::input(&self.header(), &self.customers);
            all.push(("a hash for a signature", format!("{input}.{tag}")));
        }
        for alg in ["ES256", "RS256", "PS256", "HS256", "EdDSA ", "eddsa"] {
            all.push(("another algorithm", self.with_header("alg", json!(alg))));
        }
        all
    }

    fn other_keys(&self) -> Vec<(&'static str, String)> {
        let own = json!({ "kty": "OKP", "crv": "Ed25519", "x": self.stranger.x(), "kid": "mine", "alg": "EdDSA", "use": "sig" });
        let with = |name: &str, value: Value| changed(&self.header(), name, value);
        let by_stranger = |header: &Value| signed_by(&self.stranger, header, &self.customers);
        let mut brought = with("jwk", own);
        brought["kid"] = json!("mine");
        let mut all = vec![
            ("another key", by_stranger(&self.header())),
            ("a key that it brings", by_stranger(&brought)),
            ("a key elsewhere", by_stranger(&with("jku", json!("http://127.0.0.1:9/jwks.json")))),
            (
                "a certificate elsewhere",
                by_stranger(&with("x5u", json!("http://127.0.0.1:9/x.pem"))),
            ),
            ("extensions", self.with_header("crit", json!(["exp"]))),
            ("an unencoded payload", self.with_header("crit", json!(["b64"]))),
        ];
        for kid in [
            json!(null),
            json!(""),
            json!("unknown"),
            json!("../../../dev/null"),
            json!("' OR '1'='1"),
            json!(7),
            json!([self.kid]),
            json!("k".repeat(4_000)),
        ] {
            all.push(("another key's name", self.with_header("kid", kid)));
        }
        all
    }

    fn other_claims(&self) -> Vec<(&'static str, String)> {
        let now = Clock::system().now().unix_timestamp();
        let issuer = self.customers["iss"].as_str().unwrap_or_default();
        let mut all = Vec::new();
        for iss in [
            json!(null),
            json!(""),
            json!("https://other.example"),
            json!(format!("{issuer}/")),
            json!(issuer.to_uppercase()),
        ] {
            all.push(("another issuer", self.with_claim("iss", iss)));
        }
        for aud in
            [json!(null), json!(""), json!("other"), json!(["other"]), json!("online-loan-admin")]
        {
            all.push(("another audience", self.with_claim("aud", aud)));
        }
        for exp in [
            json!(now - 60),
            json!(0),
            json!(-1),
            json!(null),
            json!("4102444800"),
            json!(1e300),
            json!([4_102_444_800_i64]),
        ] {
            all.push(("expired, or no time", self.with_claim("exp", exp)));
        }
        for sub in [
            json!(null),
            json!(""),
            json!("1"),
            json!("1@sk.com"),
            json!(1),
            json!([self.customers["sub"]]),
        ] {
            all.push(("nobody", self.with_claim("sub", sub)));
        }
        for roles in [json!("officer"), json!({ "officer": true }), json!([1])] {
            all.push(("roles that are none", self.with_claim("roles", roles)));
        }
        for claims in [json!([]), json!("claims"), json!(null), json!({})] {
            all.push(("no claims", self.signed(&self.header(), &claims)));
        }
        all
    }

    fn other_signatures(&self) -> Vec<(&'static str, String)> {
        let [customer, officer] = &self.genuine;
        let (input, signature) = customer.rsplit_once('.').unwrap_or_default();
        let officers = officer.rsplit_once('.').unwrap_or_default();
        let promoted = changed(&self.customers, "roles", json!(["officer"]));
        let tampered = crate::tokens::forger::input(&self.header(), &promoted);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let encoded = |bytes: &[u8]| format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let mut flipped = bytes.clone();
        flipped[63] ^= 1;
        vec![
            ("a role that was added", format!("{tampered}.{signature}")),
            ("another's signature", format!("{input}.{}", officers.1)),
            ("an officer's claims", format!("{}.{signature}", officers.0)),
            ("a changed signature", encoded(&flipped)),
            ("half a signature", encoded(&bytes[..32])),
            ("two signatures", encoded(&[&bytes[..], &bytes].concat())),
            ("an empty signature", format!("{input}.")),
            ("zeros", encoded(&[0; 64])),
            ("the same signature in another spelling", encoded(&respelled(&bytes))),
        ]
    }

    fn other_texts(&self) -> Vec<(&'static str, String)> {
        let [customer, _] = &self.genuine;
        let (input, signature) = customer.rsplit_once('.').unwrap_or_default();
        let padded = customer.replace('.', "=.");
        vec![
            ("no signature's place", input.to_owned()),
            ("a fourth part", format!("{customer}.{signature}")),
            ("a part before", format!(".{customer}")),
            ("dots", "..".to_owned()),
            ("padding", padded),
            ("a space within", customer.replacen('.', ". ", 1)),
            ("quotes", format!("\"{customer}\"")),
            ("two in one", format!("{customer},{customer}")),
            ("too long", format!("{customer}{}", "A".repeat(9_000))),
            ("a word", "null".to_owned()),
            ("nothing", String::new()),
            ("a percent sign", "%00".to_owned()),
        ]
    }
}

fn input(header: &Value, claims: &Value) -> String {
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encoded(header), encoded(claims))
}

fn signed_by(key: &Key, header: &Value, claims: &Value) -> String {
    let input = input(header, claims);
    let signature = key.pair.sign(input.as_bytes());
    format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

/// With another value for a member; without it for null.
fn changed(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    match (object.as_object_mut(), value) {
        (Some(members), Value::Null) => drop(members.remove(name)),
        (Some(members), value) => drop(members.insert(name.to_owned(), value)),
        (None, _) => {}
    }
    object
}

/// The signature (R, S) as (R, S + order), which a careless check accepts as well.
fn respelled(signature: &[u8]) -> Vec<u8> {
    let mut respelled = signature.to_vec();
    let mut carry = 0_u16;
    for (byte, order) in respelled[32..].iter_mut().zip(GROUP_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap_or_default();
        carry = sum >> 8;
    }
    respelled
}
