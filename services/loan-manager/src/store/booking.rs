//! `booking`: what was booked on a loan, once for each request.

use ::events::{Amount, LoanId, LoanRequestId};
use common::db::ExpectRows;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Money that came back.
#[derive(Debug)]
pub struct Booking {
    /// The repayment; the loan's own id when an officer set the loan to `05`.
    pub loan_request_id: LoanRequestId,
    /// The loan.
    pub loan_id: LoanId,
    /// How much.
    pub amount: Amount,
    /// The officer.
    pub booked_by: Uuid,
    /// When.
    pub booked_at: OffsetDateTime,
}

/// Books it. The caller holds the lock on the loan's row.
///
/// # Errors
/// What the database says: above all, that this request was booked before.
pub async fn insert(tx: &mut PgConnection, booking: &Booking) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO booking (loan_request_id, loan_id, amount, booked_by, booked_at)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(booking.loan_request_id)
    .bind(booking.loan_id)
    .bind(booking.amount)
    .bind(booking.booked_by)
    .bind(booking.booked_at)
    .execute(tx)
    .await?
    .expect_rows(1)
}
