//! Values, and what has to come of them.

/// `--set` of the same digest for these.
macro_rules! digests {
    ($($part:literal),+) => {
        concat!($(
            "image.digests.", $part,
            "=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef,",
        )+)
    };
}

/// Values files, as helm is told them.
pub(super) const DEFAULT: &[&str] = &[];
pub(super) const QUICKSTART: &[&str] = &["-f", "k8s/online-loan/values-quickstart.yaml"];
/// With what somebody's own would be: without that it is refused.
pub(super) const PRODUCTION: &[&str] =
    &["-f", "k8s/online-loan/values-production.yaml", "-f", "k8s/golden/mine.yaml"];

/// The other way in.
pub(super) const INGRESS: &[&str] = &[
    "--set",
    "ingress.enabled=true,ingress.host=loans.bank.test,ingress.tlsSecretName=loans-tls,\
     gateway.trustedProxies={10.9.1.0/24}",
];

/// A digest for each image.
const DIGESTS: &str = digests!(
    "gateway",
    "loan-request",
    "loan-auth",
    "loan-manager",
    "loan-messenger",
    "loan-status",
    "loanctl"
);

/// What is to be filled in for production.
pub(super) const YOURS: [&str; 13] = [
    "image.registry",
    "publicUrl",
    "gatewayApi.hostnames",
    "gatewayApi.parentRefs",
    "gateway.trustedProxies",
    "podNetworks",
    "database.cloudNativePg.backup.objectStore.destinationPath",
    "messages.mail.from",
    "networkPolicy.gatewayFrom",
    "networkPolicy.metricsFrom",
    "networkPolicy.tracesTo",
    "tracing.endpoint",
    "monitoring.prometheusRule.runbookBase",
];

/// Values files with more values, and a part of what has to be rendered.
pub(super) const SAID: [(&[&str], &str, &str); 24] = [
    (DEFAULT, "settings.SHUTDOWN_BOUND_SECONDS=60", "terminationGracePeriodSeconds: 70"),
    (DEFAULT, DIGESTS, "@sha256:0123456789abcdef"),
    (
        PRODUCTION,
        "kafka.strimzi.rackKey=topology.kubernetes.io/zone",
        "rack: { topologyKey: topology.kubernetes.io/zone }",
    ),
    (DEFAULT, "podDisruptionBudget.maxUnavailable=50%", "maxUnavailable: 50%"),
    (DEFAULT, "settings.PUBLIC_URL=https://$(x)/", "value: \"https://$$(x)/\""),
    (PRODUCTION, "keda.enabled=true", "authenticationRef: { name: online-loan-loan-auth-kafka }"),
    (PRODUCTION, "keda.enabled=true", "sasl: scram_sha512\n        tls: enable"),
    (
        PRODUCTION,
        "database.cloudNativePg.backup.serverName=online-loan-db-2",
        "\"serverName\":\"online-loan-db-2\"",
    ),
    (
        PRODUCTION,
        "database.cloudNativePg.recovery.source=before",
        "recovery:\n      database: online_loan\n      owner: online_loan\n      source: before",
    ),
    (DEFAULT, "kafka.topics.partitions=24", "- { name: TOPIC_PARTITIONS, value: \"24\" }"),
    (
        DEFAULT,
        "networkPolicy.dnsTo[0].ipBlock.cidr=169.254.20.10/32",
        "protocol: TCP }\n      to:\n        - ipBlock:\n            cidr: 169.254.20.10/32",
    ),
    (DEFAULT, "networkPolicy.dnsPorts={53,5353}", "- { port: 5353, protocol: UDP }"),
    (DEFAULT, "settings.RUST_BACKTRACE=1", "- { name: RUST_BACKTRACE, value: \"1\" }"),
    (PRODUCTION, "defaults.autoscaling.enabled=false", "replicas: 2"),
    (DEFAULT, "tracing.endpoint=http://otel.ns1", "- ports: [{ port: 80 }]"),
    (DEFAULT, "tracing.endpoint=https://collector:4318", "- ports: [{ port: 4318 }]"),
    (PRODUCTION, "kafka.strimzi.pod.priorityClassName=high", "priorityClassName: high"),
    (DEFAULT, "parts.loan-messenger.settings.SSL_CERT_FILE=/x", "- { name: SSL_CERT_FILE, value"),
    (
        DEFAULT,
        "defaults.settings.DATABASE_POOL_MAX=5",
        "- { name: DATABASE_POOL_MAX, value: \"5\" }",
    ),
    (
        PRODUCTION,
        "database.cloudNativePg.affinity.enablePodAntiAffinity=false",
        "enablePodAntiAffinity: false",
    ),
    // What only looks like an example.
    (DEFAULT, "publicUrl=https://loans.my-example.com", "https://loans.my-example.com"),
    (DEFAULT, "allowedHosts={loans.example.co.kr}", ",loans.example.co.kr"),
    (DEFAULT, "gateway.trustedProxies={192.0.20.0/24}", "192.0.20.0/24"),
    (
        PRODUCTION,
        "monitoring.prometheusRule.runbookBase=https://wiki.bank.test/display/OPS",
        "runbook_url: https://wiki.bank.test/display/OPS/PartDown.md",
    ),
];

/// Values that are wrong, and a part of what has to be said.
pub(super) const REFUSED: [(&str, &str); 87] = [
    ("gatewya.rateLimitPerSecond=1", "additional properties 'gatewya' not allowed"),
    ("parts.loan-reqest.replicas=2", "additional properties 'loan-reqest' not allowed"),
    ("image.pullPolicy=Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("image.registry=registry.example/you/", "/image/registry"),
    ("image.registry=https://registry.example", "/image/registry"),
    ("ingress.host=https://loans.bank.example", "/ingress/host"),
    ("operator.reconcileSchedule=hourly", "/operator/reconcileSchedule"),
    ("parts.loan-auth.resources.limits.memory=384", "/parts/loan-auth/resources/limits/memory"),
    ("kafka.bundled.storage.size=20", "/kafka/bundled/storage/size"),
    ("publicUrl=loans.bank.example", "/publicUrl"),
    ("tracing.endpoint=collector:4318", "/tracing/endpoint"),
    ("drainSeconds=40", "maximum: got 40, want 20"),
    ("gateway.trustedProxies={everybody}", "/gateway/trustedProxies/0"),
    ("defaults.resources.limits.memory=lots", "/defaults/resources/limits/memory"),
    ("parts.gateway.autoscaling.minReplicas=11", "minReplicas is more than maxReplicas"),
    ("kafka.bundled.enabled=false", "kafka.bootstrap: where Kafka is"),
    ("kafka.topics.minInsyncReplicas=2", "more than replicationFactor"),
    ("database.bundled.enabled=false", "database.address: where PostgreSQL is"),
    ("kafka.saslMechanism=PLAIN", "has no meaning with securityProtocol without sasl_"),
    ("messages.webhookTargets=any", "value must be one of 'public', 'off'"),
    ("messages.mail.url=smtp://mail.bank.example", "additional properties 'url' not allowed"),
    ("messages.mail.from=Bank", "/messages/mail/from"),
    ("messages.mail.ports={smtp}", "/messages/mail/ports/0"),
    ("messages.mail.secretName=loans-mail", "messages.mail.from: who mail is from"),
    ("messages.sms.url=https://us:known@sms.example/", "/messages/sms/url"),
    (
        "messages.sms.url=https://sms.example/",
        "messages.sms.secretName: what the provider knows us by",
    ),
    ("messages.sms.secretName=loans-sms", "messages.sms.url: where the provider is"),
    ("settings.WEBHOOK_TARGETS=any", "is not said here but by messages.webhookTargets"),
    (
        "parts.loan-messenger.settings.MAIL_URL=smtp://mail.bank.example",
        "is not said here but by messages.mail.secretName",
    ),
    (
        "database.bundled.enabled=false,database.cloudNativePg.enabled=true",
        "database.cloudNativePg.backup: where backups go",
    ),
    (
        "database.bundled.enabled=false,database.cloudNativePg.enabled=true,\
         database.cloudNativePg.backup.none=true,\
         database.cloudNativePg.backup.objectStore.destinationPath=s3://backups",
        "database.cloudNativePg.backup: objectStore, spec and none exclude each other",
    ),
    ("database.cloudNativePg.backup.schedule=0 2 * * *", "/database/cloudNativePg/backup/schedule"),
    (
        "database.cloudNativePg.backup.barmanObjectStore.destinationPath=s3://backups",
        "additional properties 'barmanObjectStore' not allowed",
    ),
    ("keda.enabled=true", "keda: it asks Kafka from its own namespace"),
    (
        "keda.enabled=true,kafka.bundled.enabled=false,kafka.bootstrap=kafka:9093,\
         kafka.securityProtocol=sasl_ssl,kafka.saslMechanism=PLAIN",
        "keda: it logs in to Kafka as the pods do",
    ),
    ("settings.CONFIG_FILE=/tmp/x", "CONFIG_FILE is what the chart says itself"),
    ("parts.gateway.settings.HTTP_ADDR=0.0.0.0:80", "HTTP_ADDR is what the chart says itself"),
    ("settings.DATABASE_URL=postgres://loan:known@db/", "DATABASE_URL is a secret"),
    (
        "parts.loan-auth.settings.SHUTDOWN_BOUND_SECONDS=6",
        "SHUTDOWN_BOUND_SECONDS has to be more than drainSeconds",
    ),
    (
        "ingress.enabled=true,ingress.host=loans.bank.example",
        "gateway.trustedProxies: the networks of what stands in front",
    ),
    (
        "kafka.bundled.enabled=false,kafka.bootstrap=broker:9096",
        "networkPolicy.kafkaPorts: without 9096",
    ),
    (
        "database.bundled.enabled=false,database.address=db:6432",
        "networkPolicy.databasePort: not 6432",
    ),
    ("settings.DATABASE_POOL_MAX=20", "all pods together may want 1430"),
    ("podDisruptionBudget.maxUnavailable=0", "/podDisruptionBudget/maxUnavailable"),
    ("podDisruptionBudget.maxUnavailable=some", "/podDisruptionBudget/maxUnavailable"),
    ("image.digests.gateway=latest", "/image/digests/gateway"),
    (
        "monitoring.prometheusRule.runbookBase=docs/runbooks",
        "/monitoring/prometheusRule/runbookBase",
    ),
    ("gateway.trustedProxies={0.0.0.0/0}", "gateway.trustedProxies: 0.0.0.0/0 is everybody"),
    ("gateway.trustedProxies={10.9.1.0/24,::/00}", "gateway.trustedProxies: ::/00 is everybody"),
    ("podNetworks={10.0.0.0/8,0.0.0.0/0}", "podNetworks: 0.0.0.0/0 is everybody"),
    (
        "parts.gateway.settings.TRUSTED_PROXIES=::/0",
        "gateway.trustedProxies: ::/0 is everybody, or nearly so, and then anyone says who they are",
    ),
    ("networkPolicy.dnsTo=kube-system", "/networkPolicy/dnsTo"),
    ("networkPolicy.dnsPorts={dns}", "/networkPolicy/dnsPorts/0"),
    ("monitoring.serviceMonitor.enabled=true", "networkPolicy.metricsFrom: where Prometheus is"),
    (
        "gatewayApi.enabled=true,gatewayApi.parentRefs[0].name=outside,\
         gatewayApi.hostnames={*.bank.test},gateway.trustedProxies={10.9.1.0/24}",
        "publicUrl: under which name customers come",
    ),
    (
        "image.digests.gateway=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "image.digests: not of loan-request, loan-auth",
    ),
    // What would work badly, or on good days alone.
    (
        "kafka.bundled.enabled=false,kafka.strimzi.enabled=true,kafka.securityProtocol=sasl_ssl,kafka.saslMechanism=SCRAM-SHA-512",
        "kafka.topics.replicationFactor: 1 of 3 brokers",
    ),
    (
        "kafka.bundled.enabled=false,kafka.strimzi.enabled=true,kafka.securityProtocol=sasl_ssl,kafka.saslMechanism=SCRAM-SHA-512,kafka.strimzi.brokers=2,kafka.topics.replicationFactor=3",
        "more than the 2 of kafka.strimzi.brokers",
    ),
    (
        "kafka.bundled.enabled=false,kafka.strimzi.enabled=true,kafka.securityProtocol=sasl_ssl,kafka.saslMechanism=SCRAM-SHA-512,kafka.topics.replicationFactor=3",
        "kafka.topics.minInsyncReplicas: 1, and what was acknowledged",
    ),
    (
        "kafka.topics.replicationFactor=3,kafka.topics.minInsyncReplicas=3",
        "nothing could be sent while one broker is away",
    ),
    ("database.cloudNativePg.instances=2", "/database/cloudNativePg/instances"),
    ("secrets.names.loan-auth=mine", "secrets.names.loan-auth: secrets.create makes all Secrets"),
    (
        "gateway.service.type=LoadBalancer",
        "gateway.service.externalTrafficPolicy: Local, beside the type LoadBalancer",
    ),
    (
        "messages.sms.url=https://sms.bank.test:8443/send,messages.sms.secretName=loans-sms",
        "networkPolicy.smsPort: not 8443",
    ),
    ("gateway.trustedProxies={0.0.0.0/1}", "0.0.0.0/1 is everybody, or nearly so"),
    ("podNetworks={fc00::/6}", "podNetworks: fc00::/6 is everybody, or nearly so"),
    (
        "defaults.podLabels.app\\.kubernetes\\.io/component=x",
        "invalid propertyName 'app.kubernetes.io/component'",
    ),
    ("parts.gateway.replicas=0", "/parts/gateway/replicas"),
    (
        "defaults.autoscaling.enabled=false,defaults.autoscaling.minReplicas=10,\
         settings.DATABASE_POOL_MAX=20",
        "all pods together may want 1430",
    ),
    ("podNetworks={::ffff:0:0/96}", "podNetworks: ::ffff:0:0/96 is everybody, or nearly so"),
    // Settings that nobody reads.
    ("settings.DATABASE_POOL_MAXX=5", "settings: DATABASE_POOL_MAXX is none that any service"),
    (
        "parts.loan-manager.settings.CERTIFY_HASHES_MAX=2",
        "parts.loan-manager.settings: CERTIFY_HASHES_MAX is none that it knows",
    ),
    // Known passwords, and a way in.
    (
        "demoData=true,ingress.enabled=true,ingress.host=loans.bank.test",
        "demoData: such accounts have known passwords, and ingress.enabled lets strangers in",
    ),
    (
        "demoData=true,gatewayApi.enabled=true,gatewayApi.parentRefs[0].name=outside",
        "demoData: such accounts have known passwords, and gatewayApi.enabled lets strangers in",
    ),
    (
        "demoData=true,gateway.service.type=LoadBalancer",
        "gateway.service.type LoadBalancer lets strangers in",
    ),
    ("demoData=true,gateway.service.type=NodePort", "for trying, port-forward"),
    ("settings.DEMO_DATA=true", "DEMO_DATA is not said here but by demoData"),
    ("parts.loan-auth.settings.DEMO_DATA=true", "DEMO_DATA is not said here but by demoData"),
    // Examples.
    ("publicUrl=https://loans.bank.example/", "  publicUrl: https://loans.bank.example/"),
    ("allowedHosts={loans.bank.test,Example.com}", "  allowedHosts: Example.com"),
    ("gateway.trustedProxies={203.0.113.7/32}", "  gateway.trustedProxies: 203.0.113.7/32"),
    ("podNetworks={198.51.100.0/24}", "  podNetworks: 198.51.100.0/24"),
    ("image.registry=ghcr.io/OWNER", "put your own in their place"),
    ("image.repository=registry.example.org/loan", "  image.repository: registry.example.org"),
    ("messages.mail.from=YOUR BANK <a@bank.test>", "  messages.mail.from: YOUR BANK"),
    ("networkPolicy.databaseTo[0].ipBlock.cidr=192.0.2.5/32", "  networkPolicy.databaseTo: {"),
    ("tracing.endpoint=http://COLLECTOR.tracing:4318", "  tracing.endpoint: http://COLLECTOR"),
];
