//! What a credential of the admin API is for.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};

use super::credentials::Operator;
use crate::problem::Problem;

/// One thing that a credential can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Looking at everything but accounts.
    Read,
    /// That, and mending it.
    Repair,
    /// The accounts of those who log in with rights over others, and nothing else:
    /// whoever can make one can become one.
    Accounts,
}

impl Scope {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Repair => "repair",
            Self::Accounts => "accounts",
        }
    }
}

/// What a credential is for, one thing or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scopes {
    read: bool,
    repair: bool,
    accounts: bool,
}

impl Scopes {
    /// `read`, `repair`, `accounts`, or several of them with `+` between.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut scopes = Self::default();
        for name in text.split('+') {
            match [Scope::Read, Scope::Repair, Scope::Accounts]
                .iter()
                .find(|one| one.name() == name)?
            {
                Scope::Read => scopes.read = true,
                Scope::Repair => scopes.repair = true,
                Scope::Accounts => scopes.accounts = true,
            }
        }
        Some(scopes)
    }

    const fn cover(self, needed: Scope) -> bool {
        match needed {
            Scope::Read => self.read || self.repair,
            Scope::Repair => self.repair,
            Scope::Accounts => self.accounts,
        }
    }
}

/// The routes of an admin API, apart by what they need. They are without `/admin`
/// before them.
#[derive(Default)]
pub struct AdminRoutes {
    /// What is looked at with `read`, and changed with `repair`.
    pub data: Router,
    /// What is looked at and changed with `accounts`.
    pub accounts: Router,
}

impl From<Router> for AdminRoutes {
    fn from(data: Router) -> Self {
        Self { data, accounts: Router::new() }
    }
}

impl AdminRoutes {
    /// With what every service has.
    #[must_use]
    pub(crate) fn merge(self, plumbing: Router) -> Self {
        Self { data: self.data.merge(plumbing), ..self }
    }

    /// All of them below `/admin`, each behind the question whether the credential is
    /// for it.
    pub(crate) fn into_router(self) -> Router {
        let data = from_fn(async |request: Request, next: Next| {
            let needed = if request.method().is_safe() { Scope::Read } else { Scope::Repair };
            pass(needed, request, next).await
        });
        let accounts = from_fn(async |request: Request, next: Next| {
            pass(Scope::Accounts, request, next).await
        });
        // A router without routes has none to stand before, and axum says so by panicking.
        let data = if self.data.has_routes() { self.data.route_layer(data) } else { self.data };
        let accounts = if self.accounts.has_routes() {
            self.accounts.route_layer(accounts)
        } else {
            self.accounts
        };
        Router::new().nest("/admin", data.merge(accounts))
    }
}

async fn pass(needed: Scope, request: Request, next: Next) -> Response {
    let Some(operator) = request.extensions().get::<Operator>() else {
        tracing::error!("a route of the admin API was reached past its guard");
        return Problem::internal().into_response();
    };
    if operator.scopes().cover(needed) {
        return next.run(request).await;
    }
    let needed = needed.name();
    let told = format!("This call needs a credential with the scope `{needed}`.");
    Problem::forbidden("admin-scope-missing", told).with("scope", needed).into_response()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_each_scope_covers() {
        for (text, covered) in [
            ("read", [true, false, false]),
            ("repair", [true, true, false]),
            ("accounts", [false, false, true]),
            ("read+accounts", [true, false, true]),
            ("repair+accounts", [true, true, true]),
        ] {
            let scopes = Scopes::parse(text).unwrap();
            let covers = [Scope::Read, Scope::Repair, Scope::Accounts].map(|one| scopes.cover(one));
            assert_eq!(covers, covered, "{text}");
        }
        for wrong in ["", "all", "Read", "read,repair", "read+", "+", "write"] {
            assert_eq!(Scopes::parse(wrong), None, "{wrong}");
        }
    }
}
