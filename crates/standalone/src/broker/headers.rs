//! A message's headers as one, within the storage.
//!
//! The storage writes each header by a statement of its own, and reads them back
//! by one more for each message. An event has eight, so that most of the broker's
//! time went into them. Packed into one, which nobody outside sees, they cost as
//! much as one. What was stored otherwise is read as it is.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tansu_sans_io::Error;
use tansu_sans_io::record::deflated::Batch;
use tansu_sans_io::record::{Header, Record, inflated};

/// The key of the one header.
const PACKED: &[u8] = b"__packed_headers";

/// The most that a batch may hold, uncompressed. What a client sends has 1 MB at most;
/// what is stored must fit into what a fetch may read of a partition.
const BATCH_BYTES_MAX: usize = 1_572_864;

/// Why a batch is not stored.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It can't be read.
    Unreadable(Error),
    /// It is larger than [`BATCH_BYTES_MAX`].
    TooLarge,
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Unreadable(error)
    }
}

/// As it is to be stored.
pub(super) fn pack(batch: &Batch) -> Result<Batch, Unfit> {
    let inflated = inflated::Batch::try_from(batch)?;
    if inflated.records.iter().map(bytes_of).sum::<usize>() > BATCH_BYTES_MAX {
        return Err(Unfit::TooLarge);
    }
    let packed = rewritten(inflated, |record| {
        // A single one of that name as well, or it would be taken for packed ones.
        let is_alike = |header: &Header| header.key.as_deref() == Some(PACKED);
        if record.headers.len() > 1 || record.headers.first().is_some_and(is_alike) {
            let packed = encoded(&record.headers);
            record.headers =
                vec![Header { key: Some(Bytes::from_static(PACKED)), value: Some(packed) }];
        }
        Ok(())
    });
    Ok(packed?)
}

/// As it was sent.
pub(super) fn unpack(batch: &Batch) -> Result<Batch, Error> {
    rewritten(inflated::Batch::try_from(batch)?, |record| {
        if let [Header { key: Some(key), value: Some(packed) }] = record.headers.as_slice()
            && key.as_ref() == PACKED
        {
            record.headers = decoded(packed.clone())
                .ok_or_else(|| Error::Message("packed headers that are damaged".to_owned()))?;
        }
        Ok(())
    })
}

fn rewritten(
    mut inflated: inflated::Batch,
    rewrite: impl Fn(&mut Record) -> Result<(), Error>,
) -> Result<Batch, Error> {
    inflated.records.iter_mut().try_for_each(rewrite)?;
    // Lengths and the checksum anew.
    inflated.into_builder().build()?.try_into()
}

fn bytes_of(record: &Record) -> usize {
    let headers = record.headers.iter().flat_map(|header| [&header.key, &header.value]);
    let parts = [&record.key, &record.value].into_iter().chain(headers);
    parts.flatten().map(Bytes::len).sum()
}

/// Key and value of each: the length, -1 if there is none, and the bytes.
fn encoded(headers: &[Header]) -> Bytes {
    let mut packed = BytesMut::new();
    for part in headers.iter().flat_map(|header| [&header.key, &header.value]) {
        match part {
            Some(bytes) => {
                packed.put_i64(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
                packed.put_slice(bytes);
            }
            None => packed.put_i64(-1),
        }
    }
    packed.freeze()
}

fn decoded(mut packed: Bytes) -> Option<Vec<Header>> {
    let mut headers = vec![];
    while packed.has_remaining() {
        let key = part(&mut packed)?;
        let value = part(&mut packed)?;
        headers.push(Header { key, value });
    }
    Some(headers)
}

/// The next part, if what is left is whole.
fn part(packed: &mut Bytes) -> Option<Option<Bytes>> {
    match packed.try_get_i64().ok()? {
        -1 => Some(None),
        length => {
            let length = usize::try_from(length).ok().filter(|all| *all <= packed.remaining())?;
            Some(Some(packed.split_to(length)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn header(key: &'static str, value: Option<&'static str>) -> Header {
        Header { key: Some(key.into()), value: value.map(Bytes::from) }
    }

    fn batch(headers: &[&[Header]]) -> Batch {
        let mut builder = inflated::Batch::builder().producer_id(7).base_sequence(3);
        for (delta, of_one) in (0..).zip(headers) {
            let record = Record::builder().offset_delta(delta).key(Some("key".into()));
            builder = builder
                .record(of_one.iter().fold(record, |record, one| record.header(one.clone().into())))
                .last_offset_delta(delta);
        }
        builder.build().unwrap().try_into().unwrap()
    }

    fn headers_of(batch: &Batch) -> Vec<Vec<Header>> {
        let inflated = inflated::Batch::try_from(batch).unwrap();
        inflated.records.into_iter().map(|record| record.headers).collect()
    }

    #[test]
    fn what_was_packed_comes_out_as_it_was_sent() {
        let many = [
            header("a", Some("1")),
            header("b", None),
            header("", Some("")),
            header("a", Some("2")),
        ];
        let sent = batch(&[&many, &[], &[header("single", Some("x"))]]);
        let packed = pack(&sent).unwrap();
        let counts: Vec<_> = headers_of(&packed).iter().map(Vec::len).collect();
        assert_eq!(counts, [1, 0, 1]);
        assert_eq!((packed.producer_id, packed.base_sequence, packed.last_offset_delta), (7, 3, 2));
        assert_eq!(unpack(&packed).unwrap(), sent);
    }

    #[test]
    fn one_that_looks_packed_is_packed() {
        let sent = batch(&[&[Header { key: Some(PACKED.into()), value: Some("x".into()) }]]);
        assert_eq!(unpack(&pack(&sent).unwrap()).unwrap(), sent);
    }

    #[test]
    fn what_was_never_packed_is_read_as_it_is() {
        let old = batch(&[&[header("a", Some("1")), header("b", Some("2"))]]);
        assert_eq!(unpack(&old).unwrap(), old);
    }

    #[test]
    fn damage_is_an_error() {
        let key = || Some(Bytes::from_static(PACKED));
        for damage in [&[1_u8, 2][..], &[0, 0, 0, 0, 0, 0, 0, 9, 1], &[255; 7]] {
            let value = Some(Bytes::copy_from_slice(damage));
            assert!(unpack(&batch(&[&[Header { key: key(), value }]])).is_err());
        }
    }
}
