//! The routes, as data: which path goes to which upstream, with which methods and limits.
//!
//! A path is matched as it was sent, byte for byte, and is never decoded: a segment is either made
//! of plain characters or it is no route. So no spelling of a path (`//`, `/./`, `%2e%2e`, an
//! encoded slash, `;`) can be one thing here and another behind the gateway.

use http::Method;

/// The services behind the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// `loan-request`.
    Request,
    /// `loan-auth`.
    Auth,
    /// `loan-manager`.
    Manager,
    /// `loan-messenger`.
    Messenger,
    /// `loan-status`.
    Status,
}

impl Upstream {
    /// Every upstream, in the order of their ports.
    pub const ALL: [Upstream; 5] = [
        Upstream::Request,
        Upstream::Auth,
        Upstream::Manager,
        Upstream::Messenger,
        Upstream::Status,
    ];

    /// The service's name, as in logs, metrics and problems.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Upstream::Request => "loan-request",
            Upstream::Auth => "loan-auth",
            Upstream::Manager => "loan-manager",
            Upstream::Messenger => "loan-messenger",
            Upstream::Status => "loan-status",
        }
    }
}

/// Where a route ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// It is passed to a service.
    Upstream(Upstream),
    /// The gateway says that it is up.
    Health,
    /// The gateway's own pages about the API.
    Docs,
    /// The gateway's own pages about the problems that are answered.
    Problems,
}

/// How much of the path a route covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// This path and nothing below it.
    Exact,
    /// This path and all plain paths below it.
    Tree,
}

/// What is done with a bearer token on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A token that is there must be valid; without one the service decides.
    Checked,
    /// The route is open to everybody; an `Authorization` header is not looked at.
    Ignored,
}

/// Which limits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limits {
    /// Rate, time and a place among the requests of its upstream.
    Request,
    /// The same, and a rate of its own beside the client's: what is asked for costs more than to
    /// answer, a password to be hashed or a message to be sent.
    Costly,
    /// Rate and a place among the streams; the answer may last for ever and is passed on event by
    /// event.
    Stream,
    /// None: it must answer also when all else is full.
    None,
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    /// The path, or what it starts with.
    pub path: &'static str,
    /// Whether paths below it belong to it.
    pub covers: Covers,
    /// The methods; `HEAD` is allowed wherever `GET` is.
    pub methods: &'static [Method],
    /// Where it goes.
    pub goal: Goal,
    /// What is done with a token.
    pub token: Token,
    /// Its limits.
    pub limits: Limits,
}

/// The table. The first row that covers a path is its route, so a longer path stands before a
/// shorter one.
///
/// What is absent is as important: `POST /loanAuths` (certify, void) belongs to loan-request alone,
/// and nothing of an admin port is here.
#[rustfmt::skip]
pub static ROUTES: [Route; 13] = [
    row("/loanRequests",          Covers::Tree,  &[Method::GET, Method::POST],                                Goal::Upstream(Upstream::Request),   Token::Checked, Limits::Request),
    row("/loanAuths",             Covers::Tree,  &[Method::GET],                                              Goal::Upstream(Upstream::Auth),      Token::Checked, Limits::Request),
    row("/loanManagers",          Covers::Tree,  &[Method::GET, Method::PATCH],                               Goal::Upstream(Upstream::Manager),   Token::Checked, Limits::Request),
    row("/loanMessengers/delivery", Covers::Tree, &[Method::GET, Method::POST, Method::PATCH, Method::DELETE], Goal::Upstream(Upstream::Messenger), Token::Checked, Limits::Costly),
    row("/loanMessengers",        Covers::Tree,  &[Method::GET],                                              Goal::Upstream(Upstream::Messenger), Token::Checked, Limits::Request),
    row("/loanStatus/stream",     Covers::Exact, &[Method::GET],                                              Goal::Upstream(Upstream::Status),    Token::Checked, Limits::Stream),
    row("/loanStatus",            Covers::Tree,  &[Method::GET],                                              Goal::Upstream(Upstream::Status),    Token::Checked, Limits::Request),
    row("/customers",             Covers::Tree,  &[Method::GET, Method::POST, Method::PATCH, Method::DELETE], Goal::Upstream(Upstream::Auth),      Token::Checked, Limits::Costly),
    row("/auth/token",            Covers::Exact, &[Method::POST],                                             Goal::Upstream(Upstream::Auth),      Token::Ignored, Limits::Costly),
    row("/.well-known/jwks.json", Covers::Exact, &[Method::GET],                                              Goal::Upstream(Upstream::Auth),      Token::Ignored, Limits::Request),
    row("/actuator/health",       Covers::Exact, &[Method::GET],                                              Goal::Health,                        Token::Ignored, Limits::None),
    row("/docs",                  Covers::Tree,  &[Method::GET],                                              Goal::Docs,                          Token::Ignored, Limits::Request),
    row("/problems",              Covers::Tree,  &[Method::GET],                                              Goal::Problems,                      Token::Ignored, Limits::Request),
];

const fn row(
    path: &'static str,
    covers: Covers,
    methods: &'static [Method],
    goal: Goal,
    token: Token,
    limits: Limits,
) -> Route {
    Route { path, covers, methods, goal, token, limits }
}

/// What the table says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This row.
    Route(&'static Route),
    /// The path is this row's, the method is not.
    OtherMethod(&'static Route),
    /// No row covers the path.
    Nothing,
}

impl Found {
    /// The row's path as a label of bounded variety, for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Found::Route(route) | Found::OtherMethod(route) => route.path,
            Found::Nothing => "none",
        }
    }

    /// The row's place in the table; what has no row is counted behind it.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Found::Route(route) | Found::OtherMethod(route) => {
                ROUTES.iter().position(|row| std::ptr::eq(row, route)).unwrap_or(ROUTES.len())
            }
            Found::Nothing => ROUTES.len(),
        }
    }
}

/// Looks a request up in the table.
#[must_use]
pub fn find(method: &Method, path: &str) -> Found {
    let Some(route) = ROUTES.iter().find(|route| route.covers(path)) else {
        return Found::Nothing;
    };
    if route.allows(method) { Found::Route(route) } else { Found::OtherMethod(route) }
}

impl Route {
    fn covers(&self, path: &str) -> bool {
        match path.strip_prefix(self.path) {
            Some("") => true,
            // The pages find their own parts relative to an address that ends in a slash.
            Some("/") => self.goal == Goal::Docs,
            Some(rest) => {
                self.covers == Covers::Tree
                    && rest.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain))
            }
            None => false,
        }
    }

    fn allows(&self, method: &Method) -> bool {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.methods.contains(method)
    }

    /// The value of the `Allow` header.
    #[must_use]
    pub fn allow(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        if self.methods.contains(&Method::GET) {
            names.push("HEAD");
        }
        names.join(", ")
    }
}

/// A segment that means the same to everybody: RFC 3986's unreserved characters, and not a step to
/// elsewhere.
fn is_plain(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && segment
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(method: &Method, path: &str) -> Option<Goal> {
        match find(method, path) {
            Found::Route(route) => Some(route.goal),
            Found::OtherMethod(_) | Found::Nothing => None,
        }
    }

    //
    #[test]
    fn every_row_is_found_by_its_own_path_and_methods() {
        let all = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
            Method::CONNECT,
        ];
        for route in &ROUTES {
            for method in &all {
                let allowed = route.methods.contains(method)
                    || (method == Method::HEAD && route.methods.contains(&Method::GET));
                let expected =
                    if allowed { Found::Route(route) } else { Found::OtherMethod(route) };
                assert_eq!(find(method, route.path), expected, "{method} {}", route.path);
            }
        }
    }

    #[test]
    fn a_longer_path_is_not_hidden_by_a_shorter_one() {
        for (at, route) in ROUTES.iter().enumerate() {
            let first = ROUTES.iter().position(|other| other.covers(route.path));
            assert_eq!(first, Some(at), "{} is hidden", route.path);
        }
    }

    #[test]
    fn a_tree_covers_what_is_below_it_and_an_exact_path_does_not() {
        let id = "/loanRequests/0190a3f0-7b1c-7e61-9b55-1f5b5d3c0001";
        assert_eq!(goal(&Method::GET, id), Some(Goal::Upstream(Upstream::Request)));
        assert_eq!(
            goal(&Method::GET, "/loanStatus/loans/x"),
            Some(Goal::Upstream(Upstream::Status))
        );
        assert_eq!(goal(&Method::GET, "/customers/me"), Some(Goal::Upstream(Upstream::Auth)));
        assert_eq!(goal(&Method::GET, "/docs/"), Some(Goal::Docs));
        assert_eq!(goal(&Method::GET, "/docs/swagger-ui.css"), Some(Goal::Docs));
        assert_eq!(find(&Method::POST, "/auth/token/x"), Found::Nothing);
        assert_eq!(find(&Method::GET, "/actuator/health/x"), Found::Nothing);
        // The stream is one address; below it is the tree of the status again.
        assert_eq!(find(&Method::GET, "/loanStatus/stream/x"), find(&Method::GET, "/loanStatus"));
    }

    // what is inside stays inside.
    #[test]
    fn inner_routes_are_not_in_the_table() {
        for path in ["/loanAuths", "/loanAuths/1", "/loanAuths/1/void"] {
            assert!(matches!(find(&Method::POST, path), Found::OtherMethod(_)), "POST {path}");
        }
        for path in [
            "/",
            "",
            "*",
            "/metrics",
            "/livez",
            "/readyz",
            "/admin",
            "/actuator",
            "/actuator/env",
            "/auth",
            "/auth/keys",
            "/.well-known",
            "/.well-known/openid-configuration",
            "/loanrequests",
        ] {
            assert_eq!(find(&Method::GET, path), Found::Nothing, "GET {path}");
        }
    }

    #[test]
    fn a_path_that_is_not_plain_is_no_route() {
        for path in [
            "//loanRequests",
            "/loanRequests/",
            "/loanRequests//1",
            "/./loanRequests",
            "/loanRequests/.",
            "/loanRequests/..",
            "/loanRequests/../loanAuths",
            "/loanRequests/%2e%2e/loanAuths",
            "/loanRequests/%2E%2E%2FloanAuths",
            "/loanRequests/..%2floanAuths",
            "/loanRequests/%2floanAuths",
            "/loanRequests%2f1",
            "/loanRequests;a=b",
            "/loanRequests/1;a=b",
            "/loanRequests/1%3ba",
            "/loanRequests\\1",
            "/loanRequests/1%5c",
            "/loanRequests/%00",
            "/loanRequests/1%",
            "/%6coanRequests",
            "/loanRequestsX",
            "/loanRequests.json",
            "/LOANREQUESTS",
            "/loanAuths/%2e%2e/metrics",
            "/docs//",
            "/docs/../metrics",
            "/docs/%2e%2e/metrics",
            "loanRequests",
            "/loanStatus/stream/",
        ] {
            for method in [Method::GET, Method::POST] {
                assert_eq!(find(&method, path), Found::Nothing, "{method} {path}");
            }
        }
    }

    proptest::proptest! {
        /// Whatever is passed on is the row's path followed by plain segments, so an upstream can't
        /// read it otherwise.
        #[test]
        fn what_is_passed_on_is_plain(tail in "[/.%;a-zA-Z0-9\\\\ ~_-]{0,24}") {
            for route in &ROUTES {
                let path = format!("{}{tail}", route.path);
                if let Found::Route(_) = find(&Method::GET, &path) {
                    let is_plain = !path.contains("//") && !path.contains(['%', ';', '\\', ' ']);
                    let stays = path.split('/').all(|segment| segment != "." && segment != "..");
                    proptest::prop_assert!(is_plain && stays, "{path}");
                }
            }
        }
    }
}
