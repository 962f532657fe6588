//! What only some services answer: each row is one rule of theirs.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[
    kind(
        "not-certified",
        &[403],
        [
            "The customer could not be certified",
            "The login name, name and password, or the token, are not those of one customer. Nothing was accepted.",
            "Check all three, or send a customer's token. If both are sent they must be the same person's.",
        ],
        [
            "고객 인증 실패",
            "로그인 이름, 성명, 비밀번호 또는 토큰이 한 고객의 것이 아닙니다. 신청은 접수되지 않았습니다.",
            "세 가지를 모두 확인하거나 고객의 토큰을 보내 주십시오. 둘 다 보낼 때는 같은 사람의 것이어야 합니다.",
        ],
    ),
    kind(
        "wrong-credentials",
        &[403],
        [
            "The credentials are not right",
            "The current password that this change needs is wrong or missing.",
            "Send the current password. Too many wrong ones are answered 429.",
        ],
        [
            "자격 증명이 올바르지 않음",
            "이 변경에 필요한 현재 비밀번호가 틀렸거나 없습니다.",
            "현재 비밀번호를 보내 주십시오. 여러 번 틀리면 429로 응답합니다.",
        ],
    ),
    kind(
        "forbidden",
        &[403],
        [
            "Not for your role",
            "The token is valid, but its role may not do this.",
            "Use the token of somebody whose role may.",
        ],
        [
            "권한 없음",
            "토큰은 유효하지만 그 역할로는 할 수 없는 일입니다.",
            "권한이 있는 역할의 토큰을 써 주십시오.",
        ],
    ),
    kind(
        "officers-only",
        &[403],
        [
            "Only for loan officers",
            "The token is valid, but it is not a loan officer's.",
            "Use a loan officer's token. Customers see the state of their loans at /loanStatus.",
        ],
        [
            "대출 담당자 전용",
            "토큰은 유효하지만 대출 담당자의 토큰이 아닙니다.",
            "대출 담당자의 토큰을 써 주십시오. 고객은 /loanStatus에서 대출 상태를 볼 수 있습니다.",
        ],
    ),
    kind(
        "channel-not-offered",
        &[409],
        [
            "No such channel here",
            "Messages can't be sent by this channel: whoever runs this system has not set it up.",
            "Choose one of those that `offered` of GET /loanMessengers/delivery lists.",
        ],
        [
            "제공되지 않는 채널",
            "이 시스템에서는 이 채널로 메시지를 보내지 않습니다. 운영자가 설정하지 않았습니다.",
            "GET /loanMessengers/delivery의 offered에 있는 채널 중에서 골라 주십시오.",
        ],
    ),
    kind(
        "no-address",
        &[409],
        [
            "No address for this channel",
            "There is nothing to send a code to.",
            "Set userEmail or userMobile with PATCH /customers/me, or a web-hook with POST /loanMessengers/delivery/webhook.",
        ],
        [
            "채널에 주소가 없음",
            "인증 번호를 보낼 주소가 없습니다.",
            "PATCH /customers/me로 userEmail이나 userMobile을 등록하거나, POST /loanMessengers/delivery/webhook으로 웹훅을 등록해 주십시오.",
        ],
    ),
    kind(
        "no-code",
        &[409],
        [
            "No code to compare with",
            "No code was asked for, or it is too old, or the address is another one by now, or too many wrong codes were tried.",
            "Ask for a new one: POST /loanMessengers/delivery/verifications.",
        ],
        [
            "비교할 인증 번호가 없음",
            "인증 번호를 요청하지 않았거나, 유효 시간이 지났거나, 그 사이 주소가 바뀌었거나, 틀린 번호를 너무 여러 번 입력했습니다.",
            "새 인증 번호를 요청해 주십시오: POST /loanMessengers/delivery/verifications.",
        ],
    ),
    kind(
        "too-many-codes",
        &[429],
        [
            "Too many codes",
            "A code was sent a moment ago, or too many were sent to this address or for this customer today.",
            "Wait as long as Retry-After says. A code that was sent is still good.",
        ],
        [
            "인증 번호 요청이 너무 많음",
            "방금 인증 번호를 보냈거나, 오늘 이 주소 또는 이 고객에게 너무 많이 보냈습니다.",
            "Retry-After만큼 기다려 주십시오. 이미 받은 인증 번호는 그대로 쓸 수 있습니다.",
        ],
    ),
    kind(
        "wrong-code",
        &[422],
        [
            "A wrong code",
            "It is not the code that was sent last to this address.",
            "Look at the newest message. After five wrong codes a new one is needed.",
        ],
        [
            "틀린 인증 번호",
            "이 주소로 마지막에 보낸 인증 번호가 아닙니다.",
            "가장 최근에 받은 메시지를 확인해 주십시오. 다섯 번 틀리면 새 번호가 필요합니다.",
        ],
    ),
    kind(
        "no-role",
        &[403],
        [
            "Not your role",
            "The token is valid, but its bearer is neither a customer nor a loan officer; or this is for customers alone.",
            "Use the token of a customer, or of a loan officer where messages are read.",
        ],
        [
            "역할이 맞지 않음",
            "토큰은 유효하지만 고객이나 대출 담당자의 토큰이 아니거나, 고객만 할 수 있는 일입니다.",
            "고객의 토큰을, 메시지를 읽을 때는 대출 담당자의 토큰도 써 주십시오.",
        ],
    ),
    kind(
        "request-cancelled",
        &[404],
        [
            "The request has been cancelled since",
            "The Idempotency-Key stands for a request that was accepted and has been cancelled since.",
            "The message to the customer says why. Send a new request with a new key.",
        ],
        [
            "이미 취소된 신청",
            "이 Idempotency-Key로 접수된 신청은 그 뒤에 취소되었습니다.",
            "사유는 고객에게 보낸 메시지에 있습니다. 새 키로 다시 신청해 주십시오.",
        ],
    ),
    kind(
        "request-in-flight",
        &[409],
        [
            "The same request is being answered",
            "Another request with this Idempotency-Key is under way, and its outcome is not known yet.",
            "Send it again after the seconds in Retry-After to get the answer.",
        ],
        [
            "같은 신청을 처리하는 중",
            "이 Idempotency-Key로 보낸 다른 요청을 처리하고 있으며 결과가 아직 정해지지 않았습니다.",
            "Retry-After에 적힌 시간(초)이 지난 뒤 다시 보내면 결과를 받을 수 있습니다.",
        ],
    ),
    kind(
        "step-not-allowed",
        &[409],
        [
            "This step may not follow",
            "The loan or repayment is in a state from which the step that was asked for is not allowed. Nothing was done.",
            "Look at state, and take one of the steps in allowed.",
        ],
        [
            "허용되지 않는 단계",
            "대출이나 상환의 현재 상태에서는 요청한 단계로 갈 수 없습니다. 처리된 것은 없습니다.",
            "state를 확인하고 allowed에 있는 단계 가운데 하나를 선택해 주십시오.",
        ],
    ),
    kind(
        "exceeds-outstanding",
        &[409],
        [
            "More than is outstanding",
            "The repayment is larger than what is still owed on the loan. Nothing was booked.",
            "Look at amountOfMoney and outstanding. An officer may refuse the repayment (03), so that the customer can ask for less.",
        ],
        [
            "대출 잔액 초과",
            "상환 금액이 대출 잔액보다 많습니다. 상환은 처리되지 않았습니다.",
            "amountOfMoney와 outstanding을 확인해 주십시오. 담당자가 상환 신청을 거절(03)하면 고객은 금액을 줄여 다시 신청할 수 있습니다.",
        ],
    ),
    kind(
        "user-id-taken",
        &[409],
        [
            "The login name is taken",
            "Another person is registered with this userId; upper and lower case are the same.",
            "Choose another userId.",
        ],
        [
            "이미 사용 중인 로그인 이름",
            "다른 사람이 이 userId로 등록되어 있습니다. 대문자와 소문자는 구분하지 않습니다.",
            "다른 userId를 선택해 주십시오.",
        ],
    ),
    kind(
        "open-loan",
        &[409],
        [
            "There is an open loan",
            "A customer with an application or a loan that has not ended cannot be removed.",
            "Remove the customer when every loan is refused or repaid.",
        ],
        [
            "끝나지 않은 대출이 있음",
            "끝나지 않은 신청이나 대출이 있는 고객은 삭제할 수 없습니다.",
            "모든 대출이 거절되거나 상환된 뒤에 삭제해 주십시오.",
        ],
    ),
    kind(
        "idempotency-key-reused",
        &[422],
        [
            "The Idempotency-Key stands for another request",
            "This key was sent before, with another body. Nothing was done.",
            "Use a new key for a new request, and the same key only to send the same request again.",
        ],
        [
            "다른 요청에 쓰인 Idempotency-Key",
            "이 키는 다른 본문과 함께 이미 쓰였습니다. 처리된 것은 없습니다.",
            "새 요청에는 새 키를 쓰고, 같은 요청을 다시 보낼 때만 같은 키를 써 주십시오.",
        ],
    ),
    kind(
        "admin-api-off",
        &[404],
        [
            "The admin API is off",
            "This service has no credential for operators, so its admin API answers nobody.",
            "Set ADMIN_CREDENTIAL and start the service again.",
        ],
        [
            "관리 API가 꺼져 있음",
            "이 서비스에는 운영자용 자격 증명이 설정되어 있지 않아 관리 API가 응답하지 않습니다.",
            "ADMIN_CREDENTIAL을 설정하고 서비스를 다시 시작해 주십시오.",
        ],
    ),
    kind(
        "log-level-unreadable",
        &[422],
        [
            "No level of logs",
            "What is to be logged was not written like LOG_LEVEL, so nothing was changed.",
            "Write a level (error, warn, info, debug), or several parts of the program with theirs: info,sqlx=debug.",
        ],
        [
            "로그 수준이 아님",
            "로그 수준이 LOG_LEVEL의 형식으로 적히지 않아 아무것도 바뀌지 않았습니다.",
            "수준(error, warn, info, debug)을 적거나, info,sqlx=debug처럼 부분별 수준을 적어 주십시오.",
        ],
    ),
    kind(
        "admin-scope-missing",
        &[403],
        [
            "The credential is for something else",
            "The operator's credential is known, but its scope does not cover this call. The scope that is needed is in `scope`.",
            "Use a credential with this scope, or have it added in ADMIN_CREDENTIAL.",
        ],
        [
            "자격 증명의 권한 범위 밖",
            "운영자 자격 증명은 확인되었지만, 그 권한 범위에 이 호출이 들어 있지 않습니다. 필요한 범위는 `scope`에 있습니다.",
            "필요한 범위를 가진 자격 증명을 사용하거나 ADMIN_CREDENTIAL에 범위를 추가해 주십시오.",
        ],
    ),
    kind(
        "too-many-registrations",
        &[429],
        [
            "Too many registrations",
            "More customers were registered from this address than one address may in some minutes. This one was not looked at.",
            "Wait as long as Retry-After says, then send the same request.",
        ],
        [
            "등록 요청이 너무 많음",
            "이 주소에서 짧은 시간에 허용된 것보다 많은 고객 등록 요청이 들어왔습니다. 이번 요청은 확인하지 않았습니다.",
            "Retry-After에 적힌 시간만큼 기다린 뒤 같은 요청을 다시 보내 주십시오.",
        ],
    ),
    kind(
        "too-many-failures",
        &[429],
        [
            "Too many attempts have failed",
            "Too many wrong passwords came for this account, or from this address. This one was not looked at.",
            "Wait as long as Retry-After says.",
        ],
        [
            "실패한 시도가 너무 많음",
            "이 계정에 대해, 또는 이 주소에서 틀린 비밀번호가 너무 많이 들어왔습니다. 이번 시도는 확인하지 않았습니다.",
            "Retry-After에 적힌 시간만큼 기다려 주십시오.",
        ],
    ),
    kind(
        "not-shown-yet",
        &[202],
        [
            "Accepted, and not shown yet",
            "What minVersion names was accepted, but the status does not show it yet. Nothing older is shown instead.",
            "Ask again after the seconds in Retry-After. Prefer: wait=n waits up to 10 seconds for it. After a 202 of POST /loanRequests look at its Location too: if that is 404, nothing came of the request.",
        ],
        [
            "접수되었으나 아직 표시되지 않음",
            "minVersion이 가리키는 변경은 접수되었지만 상태 조회에 아직 반영되지 않았습니다. 대신 이전 내용을 보여 드리지는 않습니다.",
            "Retry-After에 적힌 시간(초)이 지난 뒤 다시 조회해 주십시오. Prefer: wait=n을 보내면 최대 10초까지 기다립니다. POST /loanRequests의 응답이 202였다면 Location도 확인해 주십시오. 404이면 그 요청은 성립하지 않은 것입니다.",
        ],
    ),
    kind(
        "rebuild-under-way",
        &[409],
        [
            "A rebuild is under way",
            "loan-status is making its read model anew already, here or on another instance. Only operators are answered this.",
            "Look at GET /admin/rebuild, and begin when it is over.",
        ],
        [
            "재구축이 진행 중",
            "loan-status의 조회 모델이 이 인스턴스나 다른 인스턴스에서 이미 재구축되고 있습니다. 운영자에게만 나가는 응답입니다.",
            "GET /admin/rebuild로 진행 상황을 보고, 끝난 뒤 다시 시작해 주십시오.",
        ],
    ),
    kind(
        "history-not-wanted",
        &[409],
        [
            "No rebuild waits for this",
            "Events that loan-manager has kept were handed in, and no rebuild of this instance waits for them. Only operators are answered this.",
            "Hand them in to the instance that rebuilds, while its phase is history.",
        ],
        [
            "기다리는 재구축이 없음",
            "loan-manager가 보관한 이벤트를 받았지만, 이 인스턴스에는 그것을 기다리는 재구축이 없습니다. 운영자에게만 나가는 응답입니다.",
            "재구축 중인 인스턴스에, 그 단계가 history인 동안 전달해 주십시오.",
        ],
    ),
    kind(
        "too-many-streams",
        &[429],
        [
            "Too many live streams",
            "This customer or officer has as many live streams open as one may have.",
            "Close one, or come back after the seconds in Retry-After. One stream carries every loan.",
        ],
        [
            "실시간 스트림이 너무 많음",
            "이 고객 또는 담당자가 열 수 있는 실시간 스트림을 이미 모두 열었습니다.",
            "하나를 닫거나 Retry-After에 적힌 시간(초)이 지난 뒤 다시 시도해 주십시오. 스트림 하나로 모든 대출을 볼 수 있습니다.",
        ],
    ),
    kind(
        "streams-full",
        &[503],
        [
            "No place for another live stream",
            "This instance has as many live streams as it can bear.",
            "Come back after the seconds in Retry-After, or ask GET /loanStatus meanwhile.",
        ],
        [
            "실시간 스트림 자리가 없음",
            "이 인스턴스가 감당할 수 있는 실시간 스트림이 모두 사용 중입니다.",
            "Retry-After에 적힌 시간(초)이 지난 뒤 다시 시도하거나, 그동안 GET /loanStatus로 조회해 주십시오.",
        ],
    ),
    kind(
        "certification-unavailable",
        &[503],
        [
            "Nobody can be certified now",
            "Who the customer is could not be certified now, so nothing was accepted.",
            "Send the request again after the seconds in Retry-After.",
        ],
        [
            "지금은 인증할 수 없음",
            "지금은 고객을 인증할 수 없어 신청을 접수하지 않았습니다.",
            "Retry-After에 적힌 시간(초)이 지난 뒤 다시 신청해 주십시오.",
        ],
    ),
];
