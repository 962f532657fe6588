//! What tansu's coordinator leaves behind, and what is made of it here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use tansu_broker::coordinator::group::administrator::Controller;
use tansu_sans_io::join_group_response::JoinGroupResponse;
use tansu_storage::{BrokerRegistrationRequest, Storage as _};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

use super::*;

const GROUP: &str = "group";
const SESSION_MS: i32 = 300;

/// The storage takes its path relative to the working directory.
fn folder() -> TempDir {
    tempfile::Builder::new().prefix("broker-of-test-").tempdir_in("").unwrap()
}

async fn storage(folder: &TempDir) -> StorageContainer {
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let storage = StorageContainer::builder()
        .cluster_id("test")
        .node_id(1)
        .advertised_listener(Url::parse("tcp://127.0.0.1:1").unwrap())
        .storage(Url::parse(&format!("sqlite://{name}/broker.db")).unwrap())
        .silent(true)
        .build()
        .await
        .unwrap();
    let broker = BrokerRegistrationRequest {
        broker_id: 1,
        cluster_id: "test".to_owned(),
        incarnation_id: Uuid::nil(),
        rack: None,
    };
    storage.register_broker(broker).await.unwrap();
    storage
}

type Member = Groups<Controller<StorageContainer>>;

async fn join(groups: &mut Member, id: &str) -> JoinGroupResponse {
    let protocols = [JoinGroupRequestProtocol::default().name("range".into())];
    let joined = groups
        .join(None, GROUP, SESSION_MS, Some(1_000), id, None, "consumer", Some(&protocols), None)
        .await
        .unwrap();
    let Body::JoinGroupResponse(joined) = joined else { panic!("{joined:?}") };
    joined
}

/// Joins as a new member, which takes two requests.
async fn join_anew(groups: &mut Member) -> JoinGroupResponse {
    let id = join(groups, "").await.member_id;
    join(groups, &id).await
}

async fn sync(groups: &mut Member, joined: &JoinGroupResponse) -> i16 {
    let (generation, id) = (joined.generation_id, joined.member_id.as_str());
    let synced = groups.sync(GROUP, generation, id, None, None, None, Some(&[])).await.unwrap();
    let Body::SyncGroupResponse(synced) = synced else { panic!("{synced:?}") };
    synced.error_code
}

#[tokio::test]
async fn a_leader_that_was_silent_for_too_long_is_leader_no_more() {
    let folder = folder();
    let storage = storage(&folder).await;
    let mut groups = Groups {
        inner: Controller::with_storage(storage.clone()).unwrap(),
        storage,
        connection: Membership::default().connection(),
    };
    let first = join_anew(&mut groups).await;
    assert_eq!(first.leader, first.member_id);
    assert_eq!(sync(&mut groups, &first).await, 0);

    // Its next heartbeat comes too late, as after a sleep of the machine.
    tokio::time::sleep(Duration::from_millis(2 * u64::try_from(SESSION_MS).unwrap())).await;
    groups.heartbeat(GROUP, first.generation_id, &first.member_id, None).await.unwrap();

    let next = join_anew(&mut groups).await;
    assert_eq!(next.leader, next.member_id, "nobody would assign anything");
    assert_eq!(sync(&mut groups, &next).await, 0);
}
