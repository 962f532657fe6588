{{/* What each part is told, by the names of its environment: whatever is not secret. It stands in the pod's own description and in no
ConfigMap, so that each revision has its settings: an old pod that begins anew in the middle of an upgrade has its own, and a
rollback takes them back with the image. (A ConfigMap with its hash in its name does not do: helm takes it away while old pods need
it, and if it is to keep it, `helm rollback` refuses to take it up again.) */}}

{{- define "online-loan.kafkaSettings" -}}
KAFKA_BOOTSTRAP: {{ include "online-loan.kafkaBootstrap" . | quote }}
{{- if ne .Values.kafka.securityProtocol "plaintext" }}
KAFKA_SECURITY_PROTOCOL: {{ .Values.kafka.securityProtocol | quote }}
{{- end }}
{{- with .Values.kafka.saslMechanism }}
KAFKA_SASL_MECHANISM: {{ . | quote }}
{{- end }}
{{- if include "online-loan.kafkaAuthority" . }}
KAFKA_CA_FILE: /run/kafka/ca.crt
{{- end }}
{{- end -}}

{{/* The Secret with the brokers' authority, if one has to be mounted. */}}
{{- define "online-loan.kafkaAuthority" -}}
{{- if .Values.kafka.authority.secretName -}}{{ .Values.kafka.authority.secretName }}
{{- else if .Values.kafka.strimzi.enabled -}}{{ include "online-loan.name" . }}-cluster-ca-cert
{{- end -}}
{{- end -}}

{{/* (list $ part) */}}
{{- define "online-loan.settings" -}}
{{- $ := index . 0 -}}
{{- $part := index . 1 -}}
{{- $own := include "online-loan.values" . | fromYaml -}}
{{- $settings := dict -}}
{{- $name := include "online-loan.name" $ -}}
{{- $auth := include "online-loan.url" (list $ "loan-auth") -}}
{{- if eq $part "gateway" -}}
  {{- range $setting, $upstream := dict "REQUEST_URL" "loan-request" "AUTH_URL" "loan-auth" "MANAGER_URL" "loan-manager" "MESSENGER_URL" "loan-messenger" "STATUS_URL" "loan-status" -}}
    {{- $_ := set $settings $setting (include "online-loan.url" (list $ $upstream)) -}}
  {{- end -}}
  {{- $_ := set $settings "RATE_LIMIT_PER_SECOND" ($.Values.gateway.rateLimitPerSecond | toString) -}}
  {{- $_ := set $settings "TRUSTED_PROXIES" (join "," $.Values.gateway.trustedProxies) -}}
  {{- $_ := set $settings "CORS_ORIGINS" (join "," $.Values.gateway.corsOrigins) -}}
  {{- with $.Values.tracing.endpoint -}}
    {{- $_ := set $settings "TRACES_SAMPLED_PERCENT" ($.Values.tracing.sampledPercent | toString) -}}
  {{- end -}}
{{- else -}}
  {{- $settings = mergeOverwrite $settings (include "online-loan.kafkaSettings" $ | fromYaml) (deepCopy $.Values.settings) -}}
  {{- $_ := set $settings "TRUSTED_PROXIES" (join "," $.Values.podNetworks) -}}
  {{- with $.Values.publicUrl -}}
    {{- $_ := set $settings "PUBLIC_URL" . -}}
  {{- end -}}
  {{- $gateway := printf "%s-gateway" $name -}}
  {{- $hosts := list $gateway (printf "%s.%s" $gateway $.Release.Namespace) (printf "%s.%s.svc" $gateway $.Release.Namespace) (printf "%s.%s.svc.cluster.local" $gateway $.Release.Namespace) "localhost" "127.0.0.1" "[::1]" -}}
  {{- with $.Values.ingress.host -}}{{- $hosts = append $hosts . -}}{{- end -}}
  {{- $hosts = concat $hosts $.Values.gatewayApi.hostnames $.Values.allowedHosts -}}
  {{- $_ := set $settings "ALLOWED_HOSTS" (join "," $hosts) -}}
{{- end -}}
{{- if eq $part "loan-request" -}}
  {{- $_ := set $settings "AUTH_URL" $auth -}}
{{- end -}}
{{- if and (eq $part "loan-auth") $.Values.demoData -}}
  {{- $_ := set $settings "DEMO_DATA" "true" -}}
{{- end -}}
{{- if eq $part "loan-messenger" -}}
  {{- with $.Values.messages.mail.from -}}
    {{- $_ := set $settings "MAIL_FROM" . -}}
  {{- end -}}
  {{- $_ := set $settings "WEBHOOK_TARGETS" (include "online-loan.webhookTargets" $) -}}
{{- end -}}
{{- $_ := set $settings "JWKS_URL" (printf "%s/.well-known/jwks.json" $auth) -}}
{{- $_ := set $settings "SHUTDOWN_LINGER_SECONDS" ($.Values.drainSeconds | toString) -}}
{{- with $.Values.tracing.endpoint -}}
  {{- $_ := set $settings "OTLP_ENDPOINT" . -}}
{{- end -}}
{{- mergeOverwrite $settings $own.settings | toYaml -}}
{{- end -}}

{{/* (list $ part): the same as `env` of a container. Kubernetes would look for a variable in $(…). */}}
{{- define "online-loan.environment" -}}
{{- range $setting, $value := include "online-loan.settings" . | fromYaml }}
- { name: {{ $setting }}, value: {{ $value | toString | replace "$(" "$$(" | quote }} }
{{- end }}
{{- end -}}

{{/* What the chart says itself, in every pod. */}}
{{- define "online-loan.ownSettings" -}}
CONFIG_FILE POD_NAME OTEL_RESOURCE_ATTRIBUTES HTTP_ADDR ADMIN_ADDR
{{- end -}}

{{/* What is secret: it comes from Secrets, above which an environment would stand, in clear in the pod's description. */}}
{{- define "online-loan.secretSettings" -}}
DATABASE_URL ADMIN_CREDENTIAL SERVICE_CREDENTIAL SERVICE_CREDENTIALS TOKEN_SIGNING_KEYS KAFKA_SASL_USERNAME KAFKA_SASL_PASSWORD
{{- end -}}

{{/* Where the admin ports are: for loanctl. */}}
{{- define "online-loan.operatorEnvironment" -}}
{{- range $setting, $part := dict "REQUEST" "loan-request" "AUTH" "loan-auth" "MANAGER" "loan-manager" "MESSENGER" "loan-messenger" "STATUS" "loan-status" "GATEWAY" "gateway" }}
- { name: {{ $setting }}_ADMIN_URL, value: "http://{{ include "online-loan.name" $ }}-{{ $part }}-admin:9090" }
{{- end }}
- { name: GATEWAY_URL, value: "{{ include "online-loan.url" (list . "gateway") }}" }
{{- end -}}

{{/* (list $ part): the login to Kafka, of the environment because it is a Secret of somebody else's shape. */}}
{{- define "online-loan.kafkaLogin" -}}
{{- $ := index . 0 -}}
{{- $credentials := $.Values.kafka.credentials -}}
{{- $secret := $credentials.secretName -}}
{{- if $secret }}
- name: KAFKA_SASL_USERNAME
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ $credentials.usernameKey }} } }
- name: KAFKA_SASL_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ $credentials.passwordKey }} } }
{{- else if $.Values.kafka.strimzi.enabled }}
- name: KAFKA_SASL_USERNAME
  value: {{ include "online-loan.name" $ }}-{{ index . 1 }}-kafka
- name: KAFKA_SASL_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ include "online-loan.name" $ }}-{{ index . 1 }}-kafka, key: password } }
{{- end }}
{{- end -}}

{{/* What loan-messenger sends with, for the same reason. The provider's address is here too: without its secret, which who migrates has not,
it would be refused. */}}
{{- define "online-loan.messagesLogin" -}}
{{- $mail := .Values.messages.mail -}}
{{- $sms := .Values.messages.sms -}}
{{- if $mail.secretName }}
- name: MAIL_URL
  valueFrom: { secretKeyRef: { name: {{ $mail.secretName }}, key: {{ $mail.key }} } }
{{- end }}
{{- if $sms.url }}
- { name: SMS_URL, value: {{ $sms.url | quote }} }
- name: SMS_SECRET
  valueFrom: { secretKeyRef: { name: {{ $sms.secretName }}, key: {{ $sms.key }} } }
{{- end }}
{{- end -}}

{{/* public or off; YAML takes a bare off for false. */}}
{{- define "online-loan.webhookTargets" -}}
{{ .Values.messages.webhookTargets | default "off" }}
{{- end -}}

{{/* Of every container of ours (Pod Security Standards, "restricted"). */}}
{{- define "online-loan.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "online-loan.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* The brokers' authority, as a mount and as a volume. */}}
{{- define "online-loan.kafkaMount" -}}
{{- if include "online-loan.kafkaAuthority" . }}
- { name: kafka-authority, mountPath: /run/kafka, readOnly: true }
{{- end }}
{{- end -}}
{{- define "online-loan.kafkaVolume" -}}
{{- with include "online-loan.kafkaAuthority" . }}
- name: kafka-authority
  secret: { secretName: {{ . }}, items: [{ key: {{ $.Values.kafka.authority.key }}, path: ca.crt }] }
{{- end }}
{{- end -}}
