//! A group whose leader is gone gets another.
//!
//! Tansu takes a member that was silent for too long out of its group, and in
//! one case, where that member's own late heartbeat brings it to light, still
//! takes it for the leader. Whoever joins then waits for assignments that nobody
//! will make, for ever. It happens whenever the broker itself, or the machine,
//! slept for longer than a session.

use tansu_broker::{Error, Result};
use tansu_storage::{GroupDetail, GroupState, Storage as _, StorageContainer, UpdateError};

/// Forgets the leader of a group that exists, if it is not among the members;
/// true if it did, and whoever has joined has to join again.
pub(super) async fn forget_missing_leader(storage: &StorageContainer, group: &str) -> Result<bool> {
    // An update of no version changes nothing, and tells what there is.
    let (current, version) = match storage.update_group(group, GroupDetail::default(), None).await {
        Err(UpdateError::Outdated { current, version }) => (*current, version),
        Err(error) => return Err(Error::Message(format!("{group}: {error:?}"))),
        Ok(_) => return Ok(false),
    };
    let (protocol_type, protocol_name, leader) = match current.state {
        GroupState::Forming { protocol_type, protocol_name, leader } => {
            (protocol_type, protocol_name, leader)
        }
        GroupState::Formed { protocol_type, protocol_name, leader, .. } => {
            (Some(protocol_type), Some(protocol_name), Some(leader))
        }
    };
    if leader.is_none_or(|leader| current.members.contains_key(&leader)) {
        return Ok(false);
    }
    tracing::info!(group, "the leader of a group is gone: it gets another");
    let repaired = GroupDetail {
        // So that those who are still there notice and join again.
        generation_id: current.generation_id + 1,
        state: GroupState::Forming { protocol_type, protocol_name, leader: None },
        ..current
    };
    match storage.update_group(group, repaired, Some(version)).await {
        // Someone else has changed it meanwhile; it is looked at again.
        Ok(_) | Err(UpdateError::Outdated { .. }) => Ok(true),
        Err(error) => Err(Error::Message(format!("{group}: {error:?}"))),
    }
}
