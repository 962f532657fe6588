{{/* (list $ arguments): a pod that runs loanctl, without what a Deployment or a Job puts around it. */}}
{{- define "online-loan.loanctlPod" -}}
{{- $ := index . 0 -}}
serviceAccountName: {{ include "online-loan.name" $ }}-operator
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "online-loan.podSecurity" $ | nindent 2 }}
{{- include "online-loan.pullSecrets" $ }}
containers:
  - name: loanctl
    image: {{ include "online-loan.image" (list $ "loanctl") }}
    imagePullPolicy: {{ $.Values.image.pullPolicy }}
    args: {{ toJson (index . 1) }}
    env:
      {{- include "online-loan.operatorEnvironment" $ | nindent 6 }}
      {{- include "online-loan.kafkaLogin" (list $ "operator") | nindent 6 }}
    resources:
      {{- toYaml $.Values.operator.resources | nindent 6 }}
    securityContext:
      {{- include "online-loan.containerSecurity" $ | nindent 6 }}
    volumeMounts:
      - { name: secrets, mountPath: /run/secrets, readOnly: true }
      {{- include "online-loan.kafkaMount" $ | nindent 6 }}
volumes:
  - name: secrets
    secret: { secretName: {{ include "online-loan.secret" (list $ "operator") }} }
  {{- include "online-loan.kafkaVolume" $ | nindent 2 }}
{{- end -}}
