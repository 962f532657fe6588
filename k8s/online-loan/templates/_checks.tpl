{{/* What the schema can't say: values that contradict each other. */}}
{{- define "online-loan.checks" -}}
{{- $database := .Values.database -}}
{{- if and $database.bundled.enabled $database.cloudNativePg.enabled -}}
{{- fail "database: bundled and cloudNativePg are both enabled; choose one" -}}
{{- end -}}
{{- if and .Values.secrets.create (not $database.address) (not $database.bundled.enabled) (not $database.cloudNativePg.enabled) -}}
{{- fail "database.address: where PostgreSQL is, HOST:PORT, because neither bundled nor cloudNativePg is enabled and secrets.create makes the services' DATABASE_URL of it" -}}
{{- end -}}
{{- $backup := $database.cloudNativePg.backup -}}
{{- $places := list (hasKey ($backup.objectStore | default dict) "destinationPath") (hasKey $backup.spec "barmanObjectStore" | or (hasKey $backup.spec "volumeSnapshot")) -}}
{{- if and $database.cloudNativePg.enabled (not $backup.none) (not (has true $places)) -}}
{{- fail "database.cloudNativePg.backup: where backups go, objectStore.destinationPath or spec.barmanObjectStore or spec.volumeSnapshot; or none: true, and nothing can ever be restored" -}}
{{- end -}}
{{- if and $database.cloudNativePg.enabled (or (and $backup.none (has true $places)) (not (has false $places))) -}}
{{- fail "database.cloudNativePg.backup: objectStore, spec and none exclude each other; choose one" -}}
{{- end -}}
{{- if and .Values.kafka.bundled.enabled .Values.kafka.strimzi.enabled -}}
{{- fail "kafka: bundled and strimzi are both enabled; choose one" -}}
{{- end -}}
{{- if and (not .Values.kafka.bootstrap) (not .Values.kafka.bundled.enabled) (not .Values.kafka.strimzi.enabled) -}}
{{- fail "kafka.bootstrap: where Kafka is, HOST:PORT, because neither bundled nor strimzi is enabled" -}}
{{- end -}}
{{- $isPlain := hasPrefix "sasl" .Values.kafka.securityProtocol | not -}}
{{- if and .Values.kafka.saslMechanism $isPlain -}}
{{- fail "kafka.saslMechanism: has no meaning with securityProtocol without sasl_" -}}
{{- end -}}
{{- if and .Values.kafka.strimzi.enabled (or (ne .Values.kafka.securityProtocol "sasl_ssl") (ne .Values.kafka.saslMechanism "SCRAM-SHA-512")) -}}
{{- fail "kafka.strimzi: its listener wants securityProtocol sasl_ssl and saslMechanism SCRAM-SHA-512" -}}
{{- end -}}
{{- $topics := .Values.kafka.topics -}}
{{- if .Values.kafka.strimzi.enabled -}}
{{- $brokers := int .Values.kafka.strimzi.brokers -}}
{{- if gt (int $topics.replicationFactor) $brokers -}}
{{- fail (printf "kafka.topics.replicationFactor: more than the %d of kafka.strimzi.brokers" $brokers) -}}
{{- end -}}
{{- if lt (int $topics.replicationFactor) (min 3 $brokers | int) -}}
{{- fail (printf "kafka.topics.replicationFactor: %d of %d brokers, and what is on one that goes is nowhere else: 3, with minInsyncReplicas 2" (int $topics.replicationFactor) $brokers) -}}
{{- end -}}
{{- if and (ge (int $topics.replicationFactor) 3) (lt (int $topics.minInsyncReplicas) 2) -}}
{{- fail "kafka.topics.minInsyncReplicas: 1, and what was acknowledged may be on one broker alone: 2" -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int $topics.replicationFactor) 1) (eq (int $topics.minInsyncReplicas) (int $topics.replicationFactor)) -}}
{{- fail "kafka.topics.minInsyncReplicas: as many as replicationFactor, and so nothing could be sent while one broker is away" -}}
{{- end -}}
{{- if and .Values.keda.enabled .Values.kafka.bundled.enabled -}}
{{- fail "keda: it asks Kafka from its own namespace, and the bundled one lets nobody in from there" -}}
{{- end -}}
{{- if and .Values.keda.enabled (not $isPlain) (not .Values.kafka.credentials.secretName) (not .Values.kafka.strimzi.enabled) -}}
{{- fail "keda: it logs in to Kafka as the pods do, so kafka.credentials.secretName has to say how" -}}
{{- end -}}
{{- if gt (int .Values.kafka.topics.minInsyncReplicas) (int .Values.kafka.topics.replicationFactor) -}}
{{- fail "kafka.topics.minInsyncReplicas: more than replicationFactor, and so nothing could be sent" -}}
{{- end -}}
{{- $messages := .Values.messages -}}
{{- if and $messages.mail.secretName (not $messages.mail.from) -}}
{{- fail "messages.mail.from: who mail is from, NAME <ADDRESS>, because messages.mail.secretName has it sent" -}}
{{- end -}}
{{- if and $messages.sms.url (not $messages.sms.secretName) -}}
{{- fail "messages.sms.secretName: what the provider knows us by, because messages.sms.url has short messages sent" -}}
{{- end -}}
{{- if and $messages.sms.secretName (not $messages.sms.url) -}}
{{- fail "messages.sms.url: where the provider is, because messages.sms.secretName is what it knows us by" -}}
{{- end -}}
{{- /* Two of them are secrets, and the walls are made of the others. */ -}}
{{- $settings := merge dict (include "online-loan.values" (list . "loan-messenger") | fromYaml).settings .Values.settings -}}
{{- range $setting, $value := dict "MAIL_URL" "mail.secretName" "MAIL_FROM" "mail.from" "SMS_URL" "sms.url" "SMS_SECRET" "sms.secretName" "WEBHOOK_TARGETS" "webhookTargets" -}}
{{- if hasKey $settings $setting -}}
{{- fail (printf "settings: %s is not said here but by messages.%s" $setting $value) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled $messages.sms.url -}}
{{- $port := include "online-loan.portOf" $messages.sms.url -}}
{{- if ne (int $port) (int .Values.networkPolicy.smsPort) -}}
{{- fail (printf "networkPolicy.smsPort: not %s, where messages.sms.url is, and so no short message gets out" $port) -}}
{{- end -}}
{{- end -}}
{{- if .Values.secrets.create -}}
{{- range $part, $secret := .Values.secrets.names -}}
{{- if $secret -}}
{{- fail (printf "secrets.names.%s: secrets.create makes all Secrets, each fitting the others, under names of its own; for some of yours make all of them (secrets.create: false)" $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $isDemo := .Values.demoData -}}
{{- range $way, $isOpen := dict "ingress.enabled" .Values.ingress.enabled "gatewayApi.enabled" .Values.gatewayApi.enabled (printf "gateway.service.type %s" .Values.gateway.service.type) (ne .Values.gateway.service.type "ClusterIP") -}}
{{- if and $isDemo $isOpen -}}
{{- fail (printf "demoData: such accounts have known passwords, and %s lets strangers in: leave out one of them; for trying, port-forward (kubectl port-forward svc/…-gateway 8080)" $way) -}}
{{- end -}}
{{- end -}}
{{- range $part := splitList " " (include "online-loan.parts" .) -}}
{{- if hasKey (merge dict (include "online-loan.values" (list $ $part) | fromYaml).settings $.Values.settings) "DEMO_DATA" -}}
{{- fail (printf "%s: settings: DEMO_DATA is not said here but by demoData" $part) -}}
{{- end -}}
{{- end -}}
{{- /* As the parts are told them, by whichever value. */ -}}
{{- range $part := splitList " " (include "online-loan.parts" .) -}}
{{- $value := ternary "gateway.trustedProxies" "podNetworks" (eq $part "gateway") -}}
{{- range $network := splitList "," (get (include "online-loan.settings" (list $ $part) | fromYaml) "TRUSTED_PROXIES" | toString) -}}
{{- /* Wider than 10.0.0.0/8 and fc00::/7. */ -}}
{{- if regexMatch "^[0-9.]+/0*[0-7]$|:.*/0*[0-6]$|(?i)^::ffff:" (trim $network) -}}
{{- fail (printf "%s: %s is everybody, or nearly so, and then anyone says who they are: the networks of what stands in front of %s, and no more" $value $network $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.gatewayApi.enabled) (not .Values.gateway.trustedProxies) -}}
{{- fail "gateway.trustedProxies: the networks of what stands in front, because without them all customers are one address, with one address' share of requests" -}}
{{- end -}}
{{- $service := .Values.gateway.service -}}
{{- if and (ne $service.type "ClusterIP") (ne $service.externalTrafficPolicy "Local") (not .Values.gateway.trustedProxies) -}}
{{- fail (printf "gateway.service.externalTrafficPolicy: Local, beside the type %s, or all customers are some node's address, with one address' share of requests; where a proxy is in front, gateway.trustedProxies" $service.type) -}}
{{- end -}}
{{- if .Values.networkPolicy.enabled -}}
{{- range $address := splitList "," (include "online-loan.kafkaBootstrap" .) -}}
{{- $port := regexFind "[0-9]+$" $address -}}
{{- if not (has $port (join "," $.Values.networkPolicy.kafkaPorts | splitList ",")) -}}
{{- fail (printf "networkPolicy.kafkaPorts: without %s, where kafka.bootstrap is, nobody reaches Kafka" $port) -}}
{{- end -}}
{{- end -}}
{{- $port := regexFind "[0-9]+$" (include "online-loan.databaseAddress" .) -}}
{{- if ne (int $port) (int .Values.networkPolicy.databasePort) -}}
{{- fail (printf "networkPolicy.databasePort: not %s, where database.address is, and so nobody reaches PostgreSQL" $port) -}}
{{- end -}}
{{- end -}}
{{- with .Values.image.digests -}}
{{- $others := append (splitList " " (include "online-loan.parts" $)) "loanctl" -}}
{{- range $part := keys . -}}{{- $others = without $others $part -}}{{- end -}}
{{- with $others -}}
{{- fail (printf "image.digests: not of %s, and so they would be whatever their tag is by then: of all parts, or of none" (join ", " .)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled .Values.monitoring.serviceMonitor.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "networkPolicy.metricsFrom: where Prometheus is, because without it nobody gets at the figures that monitoring.serviceMonitor has it ask for (where a policy of your own lets it in: say the same here)" -}}
{{- end -}}
{{- $way := .Values.gatewayApi -}}
{{- $anyName := or (not $way.hostnames) (contains "*" (join "," $way.hostnames)) -}}
{{- if and $way.enabled $anyName (not .Values.publicUrl) (not .Values.allowedHosts) -}}
{{- fail "publicUrl: under which name customers come, because gatewayApi.hostnames doesn't say it, and a request under a name that is not known is answered 421" -}}
{{- end -}}
{{- $most := 0 -}}
{{- range $part := without (splitList " " (include "online-loan.parts" .)) "gateway" -}}
{{- $values := include "online-loan.values" (list $ $part) | fromYaml -}}
{{- $pods := ternary $values.autoscaling.maxReplicas (max $values.replicas $values.autoscaling.minReplicas) $values.autoscaling.enabled | int -}}
{{- $pool := get (include "online-loan.settings" (list $ $part) | fromYaml) "DATABASE_POOL_MAX" | default 16 | int -}}
{{- /* While an upgrade is on its way one pod more, and two on their way out with all that they had. */ -}}
{{- $most = add $most (mul (add $pods 3) (add $pool 2)) -}}
{{- end -}}
{{- $allowed := 0 -}}
{{- if $database.bundled.enabled -}}{{- $allowed = int $database.bundled.maxConnections -}}{{- end -}}
{{- if $database.cloudNativePg.enabled -}}{{- $allowed = get $database.cloudNativePg.parameters "max_connections" | default 100 | int -}}{{- end -}}
{{- /* PostgreSQL keeps some for itself. */ -}}
{{- if and (gt $allowed 0) (gt (int $most) (sub $allowed 5 | int)) -}}
{{- fail (printf "database: max_connections is %d, and all pods together may want %d: fewer pods (autoscaling.maxReplicas), a smaller DATABASE_POOL_MAX, or more connections" $allowed (int $most)) -}}
{{- end -}}
{{- /* A name that nobody reads would do nothing, and nobody would say so. */ -}}
{{- $known := .Files.Get "files/settings.json" | fromJson -}}
{{- $runtimes := list "RUST_BACKTRACE" "TOKIO_WORKER_THREADS" "SSL_CERT_FILE" "SSL_CERT_DIR" "OTEL_EXPORTER_OTLP_HEADERS" "OTEL_BSP_MAX_QUEUE_SIZE" "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" "OTEL_BSP_SCHEDULE_DELAY" -}}
{{- $ofServices := splitList " " (include "online-loan.ownSettings" .) | concat $runtimes -}}
{{- range $part := without (splitList " " (include "online-loan.parts" .)) "gateway" -}}
{{- $ofServices = concat $ofServices (get $known $part) -}}
{{- end -}}
{{- range $setting := keys .Values.settings | sortAlpha -}}
{{- if not (has $setting $ofServices) -}}
{{- fail (printf "settings: %s is none that any service knows (files/settings.json of the chart lists them; the gateway's are parts.gateway.settings)" $setting) -}}
{{- end -}}
{{- end -}}
{{- range $setting := keys .Values.defaults.settings | sortAlpha -}}
{{- if not (has $setting (concat $ofServices (get $known "gateway"))) -}}
{{- fail (printf "defaults.settings: %s is none that any part knows (files/settings.json of the chart lists them)" $setting) -}}
{{- end -}}
{{- end -}}
{{- range $part := splitList " " (include "online-loan.parts" .) -}}
{{- $scaling := (include "online-loan.values" (list $ $part) | fromYaml).autoscaling -}}
{{- $own := include "online-loan.settings" (list $ $part) | fromYaml -}}
{{- range $setting := splitList " " (include "online-loan.ownSettings" $) -}}
{{- if hasKey $own $setting -}}
{{- fail (printf "%s: settings: %s is what the chart says itself" $part $setting) -}}
{{- end -}}
{{- end -}}
{{- range $setting := splitList " " (include "online-loan.secretSettings" $) -}}
{{- if hasKey $own $setting -}}
{{- fail (printf "%s: settings: %s is a secret, and comes from one (docs/kubernetes.md, \"Secrets\")" $part $setting) -}}
{{- end -}}
{{- end -}}
{{- $said := get (index $.Values.parts $part) "settings" | default dict -}}
{{- range $setting := keys $said | sortAlpha -}}
{{- if not (has $setting (concat $runtimes (splitList " " (include "online-loan.ownSettings" $)) (get $known $part))) -}}
{{- fail (printf "parts.%s.settings: %s is none that it knows (files/settings.json of the chart lists them)" $part $setting) -}}
{{- end -}}
{{- end -}}
{{- if le (int (get $own "SHUTDOWN_BOUND_SECONDS" | default 25)) (int $.Values.drainSeconds) -}}
{{- fail (printf "%s: settings: SHUTDOWN_BOUND_SECONDS has to be more than drainSeconds" $part) -}}
{{- end -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "%s: autoscaling.minReplicas is more than maxReplicas" $part) -}}
{{- end -}}
{{- end -}}
{{- with include "online-loan.examples" . -}}
{{- fail (printf "these are examples still (names of RFC 2606 as .example and example.com, addresses of RFC 5737, words in capitals): put your own in their place, or take out what you don't use:%s" .) -}}
{{- end -}}
{{- end -}}
