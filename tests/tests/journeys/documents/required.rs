//! What must be there is said to be so, and what is said to be so must be there.

use anyhow::Result;

use super::replay::Replay;
use super::schema::requires;
use super::titled;
use crate::contract::{Findings, array};

pub(super) async fn fields_are_said_to_be(
    replay: &Replay<'_>,
    findings: &mut Findings,
) -> Result<()> {
    for operation in replay.contract.operations() {
        let schema = &operation.described["requestBody"]["content"]["application/json"]["schema"];
        let right = replay.right(&operation)?;
        let Some(body) = right.body.filter(|_| operation.id != "issue_token") else { continue };
        for field in operation.body_fields() {
            let mut without = body.clone();
            without.as_object_mut().map(|members| members.remove(field));
            let request = replay.client.request(operation.method(), &right.path).json(&without);
            let request =
                if right.token.is_empty() { request } else { request.bearer_auth(&right.token) };
            // Only what is missed needs to be known: the right one would be taken.
            let is_said = requires(&replay.contract.document, schema, field);
            if body.get(field).is_none() {
                findings.check(!is_said, || {
                    format!("{field} of {} is said to be needed", titled(&operation))
                });
                continue;
            }
            let answer = replay.client.send(request).await?;
            let json = answer.json();
            let is_missed = array(&json["errors"]).any(|error| error["field"] == *field)
                && answer.status == 422;
            findings.check(is_missed == is_said, || {
                let needed = if is_said { "needed" } else { "optional" };
                format!(
                    "{field} of {} is said to be {needed}: {} {}",
                    titled(&operation),
                    answer.status,
                    answer.text
                )
            });
        }
        let in_schema = |field: &&String| operation.body_fields().contains(&field.as_str());
        let known = body.as_object().into_iter().flatten().map(|(name, _)| name);
        for field in known.filter(|field| !in_schema(field)) {
            findings.check(false, || format!("{field} of {} is not described", titled(&operation)));
        }
    }
    Ok(())
}
