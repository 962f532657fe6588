//! What operators have in their own hands: events whose reader could not work on them.
//! An open letter is redriven or discarded by `dlq`, and a discarded one is not lost.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use uuid::Uuid;

use super::disagreement::{Disagreement, Mend, Reader};
use crate::api::{IDS_MAX, Services};

/// Where a reader says which events it has set aside.
const DEAD_LETTERS: &str = "/admin/dead-letters";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetAside {
    event_id: Uuid,
    is_discarded: bool,
}

/// What was set aside by whom, and whether it was discarded.
type Letters = BTreeMap<(Reader, Uuid), bool>;

/// Takes from `found` what is not to be mended, or not to be spoken of.
pub(super) async fn respect(
    services: &Services,
    found: Vec<(Uuid, Vec<Disagreement>)>,
) -> anyhow::Result<Vec<(Uuid, Vec<Disagreement>)>> {
    let mut asked: BTreeMap<Reader, BTreeSet<Uuid>> = BTreeMap::new();
    for mend in found.iter().flat_map(|(_, all)| all).flat_map(|one| &one.mends) {
        if let Mend::Release(reader, event) = mend {
            asked.entry(*reader).or_default().insert(*event);
        }
    }
    let mut letters = Letters::new();
    for (reader, events) in asked {
        let events: Vec<Uuid> = events.into_iter().collect();
        for ids in events.chunks(IDS_MAX) {
            let those = reader.api(services).these::<SetAside>(DEAD_LETTERS, ids).await?;
            letters.extend(those.into_iter().map(|one| ((reader, one.event_id), one.is_discarded)));
        }
    }
    let left = found.into_iter().map(|(id, all)| {
        (id, all.into_iter().filter_map(|one| without_letters(one, &letters)).collect::<Vec<_>>())
    });
    Ok(left.filter(|(_, all)| !all.is_empty()).collect())
}

/// The disagreement without mends that would overrule an operator; `None` where
/// nothing but discarded events is lacking.
fn without_letters(mut one: Disagreement, letters: &Letters) -> Option<Disagreement> {
    let (mut set_aside, mut discarded) = (0, 0);
    let mut left = Vec::with_capacity(one.mends.len());
    let mut mends = std::mem::take(&mut one.mends).into_iter();
    while let Some(mend) = mends.next() {
        let letter = match &mend {
            Mend::Release(reader, event) => letters.get(&(*reader, *event)),
            Mend::Certification(_) | Mend::Event(_) | Mend::Cancellation(_) | Mend::Rederive(_) => {
                None
            }
        };
        match letter {
            None => left.push(mend),
            Some(is_discarded) => {
                if *is_discarded {
                    discarded += 1
                } else {
                    set_aside += 1
                }
                // Behind what lets go of an event is what tells of it once more.
                let _ = mends.next();
            }
        }
    }
    if set_aside == 0 && discarded > 0 && left.is_empty() {
        return None;
    }
    if set_aside > 0 {
        one.detail.push_str("; set aside, see dlq");
    }
    one.mends = left;
    Some(one)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use time::OffsetDateTime;

    use super::super::disagreement::Kind;
    use super::*;

    fn lost(events: &[u128]) -> Disagreement {
        let mends = events.iter().map(|event| Uuid::from_u128(*event));
        Disagreement {
            loan_request_id: Uuid::from_u128(1),
            kind: Kind::MessageMissing,
            since: OffsetDateTime::UNIX_EPOCH,
            detail: "LoanJudged".to_owned(),
            mends: mends
                .flat_map(|event| [Mend::Release(Reader::Messenger, event), Mend::Event(event)])
                .collect(),
        }
    }

    #[test]
    fn what_operators_have_in_their_hands_is_not_mended() {
        let letter =
            |event, is_discarded| ((Reader::Messenger, Uuid::from_u128(event)), is_discarded);
        let letters = Letters::from([letter(11, false), letter(12, true)]);
        // Of another reader, or none: as it was.
        let status = Letters::from([((Reader::Status, Uuid::from_u128(11)), true)]);
        assert_eq!(without_letters(lost(&[11]), &status), Some(lost(&[11])));
        // Set aside: said, without a mend.
        let told = without_letters(lost(&[11]), &letters).unwrap();
        assert_eq!((told.detail.as_str(), told.mends), ("LoanJudged; set aside, see dlq", vec![]));
        // Discarded: not lost.
        assert_eq!(without_letters(lost(&[12]), &letters), None);
        // And what is really lost beside them is mended.
        let told = without_letters(lost(&[11, 12, 13]), &letters).unwrap();
        assert_eq!(told.mends, lost(&[13]).mends);
        assert_eq!(without_letters(lost(&[12, 13]), &letters).unwrap().mends, lost(&[13]).mends);
        // What nobody can mend stays.
        assert_eq!(without_letters(lost(&[]), &letters), Some(lost(&[])));
    }
}
