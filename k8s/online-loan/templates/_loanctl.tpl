{{/* (dict "root" $ "arguments" (list …)): a pod that runs loanctl, without what a Deployment or a Job puts around it. It has what it needs:
`secret` and `key`, the one credential that it shows, under that key's name; `kafka`, the way to Kafka, and how topics are made there: as
well in the operator's pod, for partitions never change afterwards. */}}
{{- define "online-loan.loanctlPod" -}}
{{- $ := .root -}}
serviceAccountName: {{ include "online-loan.name" $ }}-operator
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "online-loan.podSecurity" $ | nindent 2 }}
{{- include "online-loan.pullSecrets" $ }}
{{- include "online-loan.scheduling" $.Values.defaults }}
containers:
  - name: loanctl
    image: {{ include "online-loan.image" (list $ "loanctl") }}
    imagePullPolicy: {{ $.Values.image.pullPolicy }}
    args: {{ toJson .arguments }}
    env:
      {{- include "online-loan.operatorEnvironment" $ | trim | nindent 6 }}
      {{- if .key }}
      - { name: ADMIN_CREDENTIAL_FILE, value: /run/secrets/{{ .key }} }
      {{- end }}
      {{- if .kafka }}
      {{- range $setting, $value := include "online-loan.kafkaSettings" $ | fromYaml }}
      - { name: {{ $setting }}, value: {{ $value | quote }} }
      {{- end }}
      {{- with $.Values.kafka.topics }}
      - { name: TOPIC_PARTITIONS, value: {{ .partitions | toString | quote }} }
      - { name: TOPIC_REPLICATION_FACTOR, value: {{ .replicationFactor | toString | quote }} }
      - { name: TOPIC_MIN_INSYNC_REPLICAS, value: {{ .minInsyncReplicas | toString | quote }} }
      {{- end }}
      {{- with include "online-loan.kafkaLogin" (list $ "operator") | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- end }}
    resources:
      {{- toYaml $.Values.operator.resources | nindent 6 }}
    securityContext:
      {{- include "online-loan.containerSecurity" $ | nindent 6 }}
{{- $authority := and .kafka (include "online-loan.kafkaAuthority" $) }}
{{- if or .key $authority }}
    volumeMounts:
      {{- if .key }}
      - { name: secrets, mountPath: /run/secrets, readOnly: true }
      {{- end }}
      {{- if $authority }}
      {{- include "online-loan.kafkaMount" $ | trim | nindent 6 }}
      {{- end }}
volumes:
  {{- if .key }}
  - name: secrets
    secret: { secretName: {{ .secret }}, items: [{ key: {{ .key }}, path: {{ .key }} }] }
  {{- end }}
  {{- if $authority }}
  {{- include "online-loan.kafkaVolume" $ | trim | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}
