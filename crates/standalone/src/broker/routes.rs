//! Which request goes where: tansu's services, with our fetch, produce,
//! transactions and consumer groups. Logins are left out: nothing here uses them; and
//! deleting, which ends the storage or leaves us with what is gone.

use std::io::ErrorKind;

use rama::{Context, Layer as _, Service};
use tansu_broker::{Error, service};
use tansu_sans_io::{
    AddPartitionsToTxnRequest, ApiKey as _, EndTxnRequest, FetchRequest, InitProducerIdRequest,
    ProduceRequest,
};
use tansu_service::{
    BytesFrameLayer, BytesFrameService, FrameRequestLayer, FrameRouteService, TcpBytesLayer,
    TcpBytesService, TcpContext, TcpContextLayer, TcpContextService,
};
use tokio::net::TcpStream;

use super::groups::{Connection, Groups};
use super::transactions::{InitProducer, Transactions};
use super::{CLUSTER, Parts};

/// What serves one connection.
pub(super) type ConnectionService =
    TcpContextService<TcpBytesService<BytesFrameService<FrameRouteService<(), Error>>, ()>>;

/// The routes of one connection.
pub(super) fn build(parts: &Parts, connection: &Connection) -> Result<ConnectionService, Error> {
    let storage = &parts.storage;
    let mut routes = FrameRouteService::<(), Error>::builder();
    for add in [
        service::storage::create_topics,
        service::storage::delete_groups,
        service::storage::describe_cluster,
        service::storage::describe_configs,
        service::storage::describe_groups,
        service::storage::describe_topic_partitions,
        service::storage::find_coordinator,
        service::storage::incremental_alter_configs,
        service::storage::list_groups,
        service::storage::list_offsets,
        service::storage::metadata,
    ] {
        routes = add(routes, storage.clone())?;
    }
    let init = InitProducer { storage: storage.clone() };
    let groups = Groups {
        inner: parts.groups.clone(),
        storage: storage.clone(),
        connection: connection.clone(),
    };
    let routes = service::coordinator::services(routes, groups)?
        .with_route(
            FetchRequest::KEY,
            FrameRequestLayer::<FetchRequest>::new().into_layer(parts.fetch.clone()).boxed(),
        )?
        .with_route(
            ProduceRequest::KEY,
            FrameRequestLayer::<ProduceRequest>::new().into_layer(parts.produce.clone()).boxed(),
        )?
        .with_route(
            InitProducerIdRequest::KEY,
            FrameRequestLayer::<InitProducerIdRequest>::new().into_layer(init).boxed(),
        )?
        .with_route(
            AddPartitionsToTxnRequest::KEY,
            FrameRequestLayer::<AddPartitionsToTxnRequest>::new().into_layer(Transactions).boxed(),
        )?
        .with_route(
            EndTxnRequest::KEY,
            FrameRequestLayer::<EndTxnRequest>::new().into_layer(Transactions).boxed(),
        )?
        .build()?;
    Ok((
        TcpContextLayer::new(TcpContext::default().cluster_id(Some(CLUSTER.into()))),
        TcpBytesLayer::default(),
        BytesFrameLayer::default(),
    )
        .into_layer(routes))
}

/// Serves a connection until it ends.
pub(super) async fn run(service: ConnectionService, stream: TcpStream) {
    match service.serve(Context::default(), stream).await {
        Ok(()) => {}
        Err(Error::Io(error))
            if matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            ) => {}
        Err(error) => tracing::warn!(%error, "a connection failed"),
    }
}
