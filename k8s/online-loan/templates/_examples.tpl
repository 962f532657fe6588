{{/* What is an example still, PLACE: VALUE, a line for each: names of RFC 2606 and addresses of RFC 5737, which are nobody's, wherever
the outside is named; words in capitals, where nothing else can have any (a path may, and so may a server's name). */}}
{{- define "online-loan.examples" -}}
{{- $name := `(?i)(^|[^a-z0-9-])example\.(com|net|org)\.?($|[^a-z0-9.-])|\.example\.?($|[^a-z0-9.-])` -}}
{{- $address := `(^|[^0-9.])(192\.0\.2|198\.51\.100|203\.0\.113)\.[0-9]` -}}
{{- $anywhere := `[A-Z]{2}` -}}
{{- $inHost := `^[a-z0-9]+://[^/]*[A-Z]{2}` -}}
{{- $inNamespace := `"kubernetes.io/metadata.name":"[^"]*[A-Z]{2}` -}}
{{- $capitals := dict
  "image.registry" $anywhere
  "ingress.className" $anywhere
  "ingress.host" $anywhere
  "gatewayApi.hostnames" $anywhere
  "gatewayApi.parentRefs" $anywhere
  "messages.mail.from" "YOUR BANK"
  "publicUrl" $inHost
  "tracing.endpoint" $inHost
  "monitoring.prometheusRule.runbookBase" $inHost
-}}
{{- $parents := list -}}
{{- range .Values.gatewayApi.parentRefs -}}{{- $parents = append $parents (printf "%v/%v" (get . "namespace") (get . "name")) -}}{{- end -}}
{{- $places := dict
  "image.registry" (list .Values.image.registry)
  "image.repository" (list .Values.image.repository)
  "publicUrl" (list .Values.publicUrl)
  "allowedHosts" .Values.allowedHosts
  "gateway.trustedProxies" .Values.gateway.trustedProxies
  "gateway.corsOrigins" .Values.gateway.corsOrigins
  "podNetworks" .Values.podNetworks
  "database.address" (list .Values.database.address)
  "kafka.bootstrap" (list .Values.kafka.bootstrap)
  "messages.mail.from" (list .Values.messages.mail.from)
  "messages.sms.url" (list .Values.messages.sms.url)
  "ingress.className" (list .Values.ingress.className)
  "ingress.host" (list .Values.ingress.host)
  "gatewayApi.hostnames" .Values.gatewayApi.hostnames
  "gatewayApi.parentRefs" $parents
  "tracing.endpoint" (list .Values.tracing.endpoint)
  "monitoring.prometheusRule.runbookBase" (list .Values.monitoring.prometheusRule.runbookBase)
-}}
{{- $backup := .Values.database.cloudNativePg.backup -}}
{{- range $way, $store := dict "objectStore" ($backup.objectStore | default dict) "spec.barmanObjectStore" (get $backup.spec "barmanObjectStore" | default dict) -}}
{{- range $field := list "destinationPath" "endpointURL" -}}
{{- $place := printf "database.cloudNativePg.backup.%s.%s" $way $field -}}
{{- $_ := set $places $place (list (get $store $field)) -}}
{{- $_ := set $capitals $place $inHost -}}
{{- end -}}
{{- end -}}
{{- range $peers := list "gatewayFrom" "metricsFrom" "dnsTo" "databaseTo" "kafkaTo" "tracesTo" "mailTo" "smsTo" -}}
{{- $place := printf "networkPolicy.%s" $peers -}}
{{- $texts := list -}}
{{- range index $.Values.networkPolicy $peers -}}{{- $texts = append $texts (toJson .) -}}{{- end -}}
{{- $_ := set $places $place $texts -}}
{{- $_ := set $capitals $place $inNamespace -}}
{{- end -}}
{{- range $place, $texts := $places -}}
{{- $pattern := printf "%s|%s" $name $address -}}
{{- range $texts -}}
{{- $text := toString . -}}
{{- if or (regexMatch $pattern $text) (regexMatch (get $capitals $place | default "^$x") $text) }}
{{ printf "  %s: %s" $place $text }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
