//! Mending: the owners tell once more of what was lost, through their own outboxes
//! and under the ids of the first time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::disagreement::{Mend, Reader};
use crate::api::{AdminApi, IDS_MAX, Services};

/// How often what was mended is looked at again, until it has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Has these done: first the readers let go of what they believe to have worked on,
/// then the owners tell of it.
pub(super) async fn mend(services: &Services, mends: &BTreeSet<Mend>) -> anyhow::Result<()> {
    let mut released: BTreeMap<Reader, Vec<Uuid>> = BTreeMap::new();
    let (mut certifications, mut events) = (Vec::new(), Vec::new());
    let (mut cancellations, mut loans) = (Vec::new(), Vec::new());
    for mend in mends {
        match mend {
            Mend::Release(reader, event) => released.entry(*reader).or_default().push(*event),
            Mend::Certification(request) => certifications.push(*request),
            Mend::Event(event) => events.push(*event),
            Mend::Cancellation(request) => cancellations.push(*request),
            Mend::Rederive(loan) => loans.push(*loan),
        }
    }
    for (reader, events) in &released {
        reader.api(services).post_ids("/admin/inbox/release", events).await?;
    }
    let calls = [
        (&services.auth, "/admin/certifications/republish", certifications),
        (&services.manager, "/admin/events/republish", events),
        (&services.request, "/admin/cancellations/republish", cancellations),
        (&services.status, "/admin/loans/rederive", loans),
    ];
    for (api, path, ids) in calls {
        api.post_ids(path, &ids).await?;
    }
    Ok(())
}

impl Reader {
    pub(super) fn api(self, services: &Services) -> &AdminApi {
        match self {
            Self::Request => &services.request,
            Self::Auth => &services.auth,
            Self::Manager => &services.manager,
            Self::Messenger => &services.messenger,
            Self::Status => &services.status,
        }
    }
}

/// Waits until these requests agree, at most `wait`; says how many do not. Nothing is
/// done twice: what was `sent` is on its way. But what arrives may show what else is
/// lacking, and that is mended too.
pub(super) async fn settle(
    services: &Services,
    mut ids: Vec<Uuid>,
    mut sent: BTreeSet<Mend>,
    wait: Duration,
) -> anyhow::Result<u64> {
    let started = Instant::now();
    loop {
        let mut left = Vec::new();
        for ids in ids.chunks(IDS_MAX) {
            let mut mends = BTreeSet::new();
            for (id, all) in super::disagreements(services, ids).await? {
                left.push(id);
                mends.extend(all.into_iter().flat_map(|one| one.mends));
            }
            mends.retain(|one| sent.insert(one.clone()));
            mend(services, &mends).await?;
        }
        ids = left;
        if ids.is_empty() || started.elapsed() >= wait {
            return Ok(ids.len() as u64);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
