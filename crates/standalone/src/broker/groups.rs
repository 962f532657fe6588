//! Consumer groups: a member leaves when its connection ends.
//!
//! A killed process loses its connections at once, but tansu (as Kafka) would
//! keep its partitions for the whole session timeout and let nobody else read
//! them. Here they are free as soon as the connection is gone. A client that
//! lost only its connection joins again, which it can do at any time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tansu_broker::Result;
use tansu_broker::coordinator::group::{Coordinator, OffsetCommit};
use tansu_sans_io::Body;
use tansu_sans_io::join_group_request::JoinGroupRequestProtocol;
use tansu_sans_io::leave_group_request::MemberIdentity;
use tansu_sans_io::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
use tansu_sans_io::sync_group_request::SyncGroupRequestAssignment;
use tansu_storage::StorageContainer;

use super::leaders::forget_missing_leader;

/// How often a member that was told of a missing leader is joined again at most.
const JOINS_MAX: u32 = 3;

/// Group and member.
type Member = (String, String);

/// Which member was last heard on which connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership {
    heard: Arc<Mutex<HashMap<Member, u64>>>,
    next: Arc<AtomicU64>,
}

impl Membership {
    /// A new connection.
    pub(super) fn connection(&self) -> Connection {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        Connection { membership: self.clone(), id }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Member, u64>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One client's connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    membership: Membership,
    id: u64,
}

impl Connection {
    fn heard(&self, group: &str, member: &str) {
        if !member.is_empty() {
            self.membership.lock().insert((group.to_owned(), member.to_owned()), self.id);
        }
    }

    fn forget(&self, group: &str, member: &str) {
        self.membership.lock().remove(&(group.to_owned(), member.to_owned()));
    }

    /// Takes the members that were last heard here out of their groups.
    pub(super) async fn close(&self, mut groups: impl Coordinator) {
        let gone: Vec<Member> = self
            .membership
            .lock()
            .extract_if(|_, connection| *connection == self.id)
            .map(|(member, _)| member)
            .collect();
        for (group, member) in gone {
            tracing::info!(group, member, "the connection of a member ended: it leaves its group");
            if let Err(error) = groups.leave(&group, None, Some(&[identity(&member)])).await {
                tracing::warn!(%error, group, member, "cannot take a member out of its group");
            }
        }
    }
}

fn identity(member: &str) -> MemberIdentity {
    MemberIdentity::default().member_id(member.to_owned())
}

/// Tansu's coordinator, noting who speaks on which connection.
#[derive(Clone, Debug)]
pub(super) struct Groups<C> {
    pub(super) inner: C,
    pub(super) storage: StorageContainer,
    pub(super) connection: Connection,
}

#[async_trait]
impl<C: Coordinator> Coordinator for Groups<C> {
    async fn join(
        &mut self,
        client_id: Option<&str>,
        group_id: &str,
        session_timeout_ms: i32,
        rebalance_timeout_ms: Option<i32>,
        member_id: &str,
        group_instance_id: Option<&str>,
        protocol_type: &str,
        protocols: Option<&[JoinGroupRequestProtocol]>,
        reason: Option<&str>,
    ) -> Result<Body> {
        let mut joins = 0;
        let answer = loop {
            let answer = self
                .inner
                .join(
                    client_id,
                    group_id,
                    session_timeout_ms,
                    rebalance_timeout_ms,
                    member_id,
                    group_instance_id,
                    protocol_type,
                    protocols,
                    reason,
                )
                .await?;
            joins += 1;
            let follows = matches!(&answer, Body::JoinGroupResponse(joined)
                if !joined.leader.is_empty() && joined.leader != joined.member_id);
            if !follows
                || joins == JOINS_MAX
                || !forget_missing_leader(&self.storage, group_id).await?
            {
                break answer;
            }
        };
        if let Body::JoinGroupResponse(joined) = &answer {
            self.connection.heard(group_id, &joined.member_id);
        }
        Ok(answer)
    }

    async fn sync(
        &mut self,
        group_id: &str,
        generation_id: i32,
        member_id: &str,
        group_instance_id: Option<&str>,
        protocol_type: Option<&str>,
        protocol_name: Option<&str>,
        assignments: Option<&[SyncGroupRequestAssignment]>,
    ) -> Result<Body> {
        self.connection.heard(group_id, member_id);
        self.inner
            .sync(
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                protocol_type,
                protocol_name,
                assignments,
            )
            .await
    }

    async fn heartbeat(
        &mut self,
        group_id: &str,
        generation_id: i32,
        member_id: &str,
        group_instance_id: Option<&str>,
    ) -> Result<Body> {
        self.connection.heard(group_id, member_id);
        self.inner.heartbeat(group_id, generation_id, member_id, group_instance_id).await
    }

    async fn leave(
        &mut self,
        group_id: &str,
        member_id: Option<&str>,
        members: Option<&[MemberIdentity]>,
    ) -> Result<Body> {
        let named = members.unwrap_or_default().iter().map(|member| member.member_id.as_str());
        for member in named.chain(member_id) {
            self.connection.forget(group_id, member);
        }
        self.inner.leave(group_id, member_id, members).await
    }

    async fn offset_commit(&mut self, detail: OffsetCommit<'_>) -> Result<Body> {
        self.inner.offset_commit(detail).await
    }

    async fn offset_fetch(
        &mut self,
        group_id: Option<&str>,
        topics: Option<&[OffsetFetchRequestTopic]>,
        groups: Option<&[OffsetFetchRequestGroup]>,
        require_stable: Option<bool>,
    ) -> Result<Body> {
        self.inner.offset_fetch(group_id, topics, groups, require_stable).await
    }
}

#[cfg(test)]
mod tests;
