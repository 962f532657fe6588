{{/* Names and labels. */}}

{{- define "online-loan.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* All parts. */}}
{{- define "online-loan.parts" -}}
gateway loan-request loan-auth loan-manager loan-messenger loan-status
{{- end -}}

{{/* Which topics each service reads. */}}
{{- define "online-loan.consumes" -}}
loan-request: [loan.auth, loan.manager]
loan-auth: [loan.manager, loan.request]
loan-manager: [loan.auth]
loan-messenger: [loan.customer, loan.manager]
loan-status: [loan.manager, loan.request]
{{- end -}}

{{/* (list $ part): how a part is found. */}}
{{- define "online-loan.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ $.Chart.Name }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "online-loan.labels" -}}
{{- $ := index . 0 -}}
{{ include "online-loan.selector" . }}
app.kubernetes.io/part-of: online-loan
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version }}
{{- end -}}

{{/* (list $ part): of pods, and of what helm can't change in place. Without versions: a new one of the chart alone is no reason to
begin any pod anew, least of all the one PostgreSQL. */}}
{{- define "online-loan.podLabels" -}}
{{ include "online-loan.selector" . }}
app.kubernetes.io/part-of: online-loan
{{- end -}}

{{/* (list $ part): what a part has, its own values over everybody's. */}}
{{- define "online-loan.values" -}}
{{- $ := index . 0 -}}
{{- mergeOverwrite (deepCopy $.Values.defaults) (deepCopy (index $.Values.parts (index . 1))) | toYaml -}}
{{- end -}}

{{- define "online-loan.image" -}}
{{- $ := index . 0 -}}
{{- $name := printf "%s/%s:%s" $.Values.image.repository (index . 1) ($.Values.image.tag | default $.Chart.AppVersion) -}}
{{- with $.Values.image.registry -}}{{ . }}/{{- end -}}{{ $name }}
{{- with index $.Values.image.digests (index . 1) -}}@{{ . }}{{- end -}}
{{- end -}}

{{/* (list $ part): its Secret. */}}
{{- define "online-loan.secret" -}}
{{- $ := index . 0 -}}
{{- index $.Values.secrets.names (index . 1) | default (printf "%s-%s" (include "online-loan.name" $) (index . 1)) -}}
{{- end -}}

{{/* The Secret that has accounts-credential: the operator's, unless it has one of its own. */}}
{{- define "online-loan.accountsSecret" -}}
{{- .Values.secrets.names.accounts | default (include "online-loan.secret" (list . "operator")) -}}
{{- end -}}

{{- define "online-loan.url" -}}
http://{{ include "online-loan.name" (index . 0) }}-{{ index . 1 }}:8080
{{- end -}}

{{- define "online-loan.databaseAddress" -}}
{{- if .Values.database.address -}}{{ .Values.database.address }}
{{- else if .Values.database.cloudNativePg.enabled -}}{{ include "online-loan.name" . }}-db-rw:5432
{{- else -}}{{ include "online-loan.name" . }}-postgres:5432
{{- end -}}
{{- end -}}

{{- define "online-loan.kafkaBootstrap" -}}
{{- if .Values.kafka.bootstrap -}}{{ .Values.kafka.bootstrap }}
{{- else if .Values.kafka.strimzi.enabled -}}{{ include "online-loan.name" . }}-kafka-bootstrap:9093
{{- else -}}{{ include "online-loan.name" . }}-kafka:9092
{{- end -}}
{{- end -}}

{{/* The same from another namespace, which knows no short names. */}}
{{- define "online-loan.kafkaBootstrapQualified" -}}
{{- if .Values.kafka.bootstrap -}}{{ .Values.kafka.bootstrap }}
{{- else -}}{{ include "online-loan.name" . }}-kafka-bootstrap.{{ .Release.Namespace }}.svc:9093
{{- end -}}
{{- end -}}

{{/* The port of an address, http://HOST:PORT/…, or that of its scheme. */}}
{{- define "online-loan.portOf" -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}

{{/* Where a pod runs, as these values say. */}}
{{- define "online-loan.scheduling" -}}
{{- $values := . -}}
{{- range $field := list "nodeSelector" "affinity" "tolerations" "priorityClassName" }}
{{- with index $values $field }}
{{ $field }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "online-loan.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}
