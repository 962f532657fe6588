//! What every service, or the gateway itself, may answer.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[
    kind(
        "ambiguous-request",
        &[400],
        [
            "The request can be read in two ways",
            "A header that must be there once is missing, there twice, or not readable, so that two programs could understand two different requests.",
            "Send exactly one Host header, and at most one Authorization header.",
        ],
        [
            "두 가지로 해석되는 요청",
            "한 번만 있어야 하는 헤더가 없거나, 두 번 있거나, 읽을 수 없어서 프로그램마다 요청을 다르게 이해할 수 있습니다.",
            "Host 헤더는 정확히 하나, Authorization 헤더는 하나 이하로 보내 주십시오.",
        ],
    ),
    kind(
        "bad-idempotency-key",
        &[400],
        [
            "The Idempotency-Key is not usable",
            "The header is there more than once, is empty or too long, or has characters that are not visible ASCII.",
            "Send one key of 1 to 255 visible ASCII characters, for example a random UUID.",
        ],
        [
            "사용할 수 없는 Idempotency-Key",
            "헤더가 두 번 이상 있거나, 비어 있거나, 너무 길거나, 보이는 ASCII 문자가 아닌 문자가 들어 있습니다.",
            "보이는 ASCII 문자 1~255자로 된 키를 하나만 보내 주십시오. 예를 들어 무작위 UUID를 쓸 수 있습니다.",
        ],
    ),
    kind(
        "body-too-slow",
        &[408],
        [
            "The body came too slowly",
            "The body of the request did not come in time. Nothing was done.",
            "Send the request again, over a better line.",
        ],
        [
            "본문이 너무 느리게 도착함",
            "요청 본문이 제한 시간 안에 도착하지 않았습니다. 처리된 것은 없습니다.",
            "연결 상태를 확인한 뒤 요청을 다시 보내 주십시오.",
        ],
    ),
    kind(
        "body-unreadable",
        &[400],
        [
            "The body broke off",
            "The body of the request could not be read to its end. Nothing was done.",
            "Send the request again.",
        ],
        [
            "본문이 중간에 끊김",
            "요청 본문을 끝까지 읽을 수 없었습니다. 처리된 것은 없습니다.",
            "요청을 다시 보내 주십시오.",
        ],
    ),
    kind(
        "invalid-header",
        &[400],
        [
            "A header is not readable",
            "A header of the request, such as If-Match, has a value that cannot be read.",
            "Send the value as it was given to you, for example the ETag of the last answer.",
        ],
        [
            "읽을 수 없는 헤더",
            "If-Match 같은 요청 헤더의 값을 읽을 수 없습니다.",
            "받은 값을 그대로 보내 주십시오. 예를 들어 마지막 응답의 ETag를 쓰면 됩니다.",
        ],
    ),
    kind(
        "invalid-query",
        &[400],
        [
            "A parameter of the query is wrong",
            "A parameter after the question mark has a value that is not allowed: a page too far, an unknown field to sort by, an id that is none.",
            "Look at detail and errors, and at the parameters in the API documentation at /docs/.",
        ],
        [
            "잘못된 쿼리 매개변수",
            "물음표 뒤의 매개변수에 허용되지 않는 값이 있습니다. 너무 먼 페이지, 정렬할 수 없는 필드, 올바르지 않은 식별자 등입니다.",
            "detail과 errors를 확인하고, /docs/의 API 문서에서 매개변수를 살펴봐 주십시오.",
        ],
    ),
    kind(
        "malformed-body",
        &[400],
        [
            "The body is not JSON",
            "The body is not valid JSON, is not UTF-8, or is nested too deeply.",
            "Send a JSON object in UTF-8.",
        ],
        [
            "JSON이 아닌 본문",
            "본문이 올바른 JSON이 아니거나, UTF-8이 아니거나, 너무 깊게 중첩되어 있습니다.",
            "UTF-8로 된 JSON 객체를 보내 주십시오.",
        ],
    ),
    kind(
        "unauthenticated",
        &[401],
        [
            "A valid token is needed",
            "There is no bearer token, or the one that was sent is not valid: it has expired, was issued elsewhere, or the password has changed since.",
            "Get a token from POST /auth/token and send it as Authorization: Bearer.",
        ],
        [
            "유효한 토큰 필요",
            "토큰이 없거나 보낸 토큰이 유효하지 않습니다. 만료되었거나, 다른 곳에서 발급되었거나, 발급 뒤에 비밀번호가 바뀐 경우입니다.",
            "POST /auth/token에서 토큰을 받아 Authorization: Bearer 헤더로 보내 주십시오.",
        ],
    ),
    kind(
        "not-found",
        &[404],
        [
            "There is nothing here",
            "The address does not exist, or what it names does not exist for this caller. Which of the two is never said.",
            "Check the address and the id. Addresses are case-sensitive and have no slash at the end.",
        ],
        [
            "찾을 수 없음",
            "그런 주소가 없거나, 그 주소가 가리키는 것이 이 호출자에게는 없습니다. 둘 중 어느 쪽인지는 알려 드리지 않습니다.",
            "주소와 식별자를 확인해 주십시오. 주소는 대소문자를 구분하며 끝에 빗금이 없습니다.",
        ],
    ),
    kind(
        "method-not-allowed",
        &[405],
        [
            "This method is not allowed here",
            "The address exists, but not for this HTTP method.",
            "Use one of the methods that the Allow header lists.",
        ],
        [
            "허용되지 않는 메서드",
            "주소는 있지만 이 HTTP 메서드로는 쓸 수 없습니다.",
            "Allow 헤더에 있는 메서드를 써 주십시오.",
        ],
    ),
    kind(
        "precondition-failed",
        &[412],
        [
            "It has changed meanwhile",
            "If-Match names an older version than the current one: somebody else was quicker. Nothing was done.",
            "Read it again, decide again, and send the new ETag.",
        ],
        [
            "그사이 변경됨",
            "If-Match가 현재보다 오래된 버전을 가리킵니다. 다른 사람이 먼저 변경했습니다. 처리된 것은 없습니다.",
            "다시 읽고 다시 판단한 뒤 새 ETag를 보내 주십시오.",
        ],
    ),
    kind(
        "body-too-large",
        &[413],
        [
            "The body is too large",
            "The body has more bytes than are allowed. Nothing was done.",
            "Send a smaller body; detail says how many bytes are allowed.",
        ],
        [
            "너무 큰 본문",
            "본문이 허용된 바이트 수보다 큽니다. 처리된 것은 없습니다.",
            "더 작은 본문을 보내 주십시오. 허용되는 바이트 수는 detail에 있습니다.",
        ],
    ),
    kind(
        "unsupported-media-type",
        &[415],
        [
            "The body must be JSON",
            "The Content-Type of the request is not application/json, names another charset than UTF-8, or the body is compressed.",
            "Send JSON in UTF-8 with Content-Type: application/json, without Content-Encoding.",
        ],
        [
            "JSON 본문 필요",
            "요청의 Content-Type이 application/json이 아니거나, UTF-8이 아닌 문자 집합을 가리키거나, 본문이 압축되어 있습니다.",
            "UTF-8로 된 JSON을 Content-Encoding 없이 Content-Type: application/json과 함께 보내 주십시오.",
        ],
    ),
    kind(
        "misdirected-request",
        &[421],
        [
            "This host name is not served here",
            "The request names a host that this system is not known by, so no link could be made from it.",
            "Use the host name that you were given. Operators set PUBLIC_URL or ALLOWED_HOSTS.",
        ],
        [
            "여기서 제공하지 않는 호스트 이름",
            "요청에 있는 호스트 이름이 이 시스템의 것이 아니어서 링크를 만들 수 없습니다.",
            "안내받은 호스트 이름을 써 주십시오. 운영자는 PUBLIC_URL이나 ALLOWED_HOSTS를 설정합니다.",
        ],
    ),
    kind(
        "invalid",
        &[422],
        [
            "A field is wrong",
            "The body can be read, but at least one field is missing or has a value that is not allowed. Nothing was done.",
            "Look at errors: it names each field and what is wrong with it.",
        ],
        [
            "잘못된 필드",
            "본문은 읽었지만, 없는 필드가 있거나 허용되지 않는 값이 있습니다. 처리된 것은 없습니다.",
            "errors를 확인해 주십시오. 어느 필드가 왜 잘못되었는지 나와 있습니다.",
        ],
    ),
    kind(
        "rate-limited",
        &[429],
        [
            "Too many requests",
            "More requests came from this address than are allowed in a second, or more bodies are on their way than are allowed at once. Nothing was done.",
            "Wait as long as Retry-After says. RateLimit-Policy says how many are allowed.",
        ],
        [
            "너무 많은 요청",
            "이 주소에서 1초에 허용된 것보다 많은 요청이 왔거나, 동시에 허용된 것보다 많은 본문을 보내고 있습니다. 처리된 것은 없습니다.",
            "Retry-After에 적힌 시간만큼 기다려 주십시오. 허용되는 수는 RateLimit-Policy에 있습니다.",
        ],
    ),
    kind(
        "refused",
        &[400, 406, 408, 417, 431],
        [
            "The request was refused",
            "The request cannot be answered, for the reason that its status gives.",
            "Look at the status, and change the request.",
        ],
        [
            "거절된 요청",
            "상태 코드가 말하는 이유로 요청에 응답할 수 없습니다.",
            "상태 코드를 확인하고 요청을 고쳐 주십시오.",
        ],
    ),
    kind(
        "failed",
        &[501, 505],
        [
            "The request failed",
            "The request could not be answered, for the reason that its status gives.",
            "Look at the status. If it stays so, tell the operator when it happened.",
        ],
        [
            "실패한 요청",
            "상태 코드가 말하는 이유로 요청에 응답하지 못했습니다.",
            "상태 코드를 확인해 주십시오. 계속되면 발생한 시각을 운영자에게 알려 주십시오.",
        ],
    ),
    kind(
        "internal",
        &[500],
        [
            "An error on our side",
            "Something has failed that must not. It has been recorded.",
            "Try again later. A POST with an Idempotency-Key may be sent again. If it stays so, tell the operator when it happened.",
        ],
        [
            "내부 오류",
            "있어서는 안 되는 오류가 발생했습니다. 오류는 기록되었습니다.",
            "잠시 후 다시 시도해 주십시오. Idempotency-Key가 있는 POST는 다시 보내도 됩니다. 계속되면 발생한 시각을 운영자에게 알려 주십시오.",
        ],
    ),
    kind(
        "upstream-cut",
        &[502],
        [
            "A service broke off its answer",
            "The service that was asked ended the connection before its answer was complete. Whether what was asked was done is not known here.",
            "A GET may be sent again. So may a POST with an Idempotency-Key: it is done once.",
        ],
        [
            "서비스의 응답이 중간에 끊김",
            "요청받은 서비스가 응답을 끝내기 전에 연결을 끊었습니다. 요청이 처리되었는지는 여기서 알 수 없습니다.",
            "GET은 다시 보내도 됩니다. Idempotency-Key가 있는 POST도 한 번만 처리되므로 다시 보내도 됩니다.",
        ],
    ),
    kind(
        "outcome-unknown",
        &[502],
        [
            "It is not known whether it was done",
            "The database of the service broke off its last answer. What was asked was done completely, or it was not done and never will be; which of the two is not known here.",
            "Look at the state before you try again, or send If-Match with what you saw. A POST with an Idempotency-Key may be sent again: it is done once.",
        ],
        [
            "처리 여부를 알 수 없음",
            "서비스의 데이터베이스가 마지막 응답을 보내다가 연결을 끊었습니다. 요청은 모두 처리되었거나, 전혀 처리되지 않았고 앞으로도 처리되지 않습니다. 둘 중 어느 쪽인지는 여기서 알 수 없습니다.",
            "다시 시도하기 전에 현재 상태를 확인하거나, 보았던 버전을 If-Match로 함께 보내 주십시오. Idempotency-Key가 있는 POST는 한 번만 처리되므로 다시 보내도 됩니다.",
        ],
    ),
    kind(
        "unavailable",
        &[503],
        [
            "Not available now",
            "A service is busy, is about to end, or does not answer, or its database does not. Nothing was done.",
            "Come back after the seconds in Retry-After.",
        ],
        [
            "지금은 이용할 수 없음",
            "서비스가 붐비거나, 곧 종료되거나, 서비스 또는 그 데이터베이스가 응답하지 않습니다. 처리된 것은 없습니다.",
            "Retry-After에 적힌 시간(초)이 지난 뒤 다시 시도해 주십시오.",
        ],
    ),
    kind(
        "timeout",
        &[408, 504],
        [
            "It took too long",
            "The request, or its answer, was not complete in time. Whether what was asked was done is not known here.",
            "A GET may be sent again. So may a POST with an Idempotency-Key: it is done once.",
        ],
        [
            "시간 초과",
            "요청이나 응답이 제시간에 끝나지 않았습니다. 요청이 처리되었는지는 여기서 알 수 없습니다.",
            "GET은 다시 보내도 됩니다. Idempotency-Key가 있는 POST도 한 번만 처리되므로 다시 보내도 됩니다.",
        ],
    ),
    kind(
        "loop",
        &[508],
        [
            "The request came back",
            "The gateway got a request that it had passed on itself: the address of a service is the gateway's own.",
            "Tell the operator: one of the settings REQUEST_URL, AUTH_URL, MANAGER_URL, MESSENGER_URL, STATUS_URL is wrong.",
        ],
        [
            "되돌아온 요청",
            "게이트웨이가 스스로 전달한 요청을 다시 받았습니다. 어떤 서비스의 주소가 게이트웨이 자신의 주소로 되어 있습니다.",
            "운영자에게 알려 주십시오. REQUEST_URL, AUTH_URL, MANAGER_URL, MESSENGER_URL, STATUS_URL 설정 가운데 하나가 잘못되었습니다.",
        ],
    ),
];
