//! Where a loan stands is made anew from what is shown of it, because the two do
//! not fit.

use ::events::LoanId;
use sqlx::PgConnection;

use crate::store;

/// Drops the loan's row and folds its entries into it again, in the order of the
/// feed; `false` if there is none of them.
///
/// # Errors
/// What the database says.
pub async fn rederive_loan(tx: &mut PgConnection, id: LoanId) -> Result<bool, sqlx::Error> {
    // The feed's lock keeps everybody who would write to this loan waiting.
    store::feed_counter::generation(tx).await?;
    let changes = store::entry::changes_of(tx, id).await?;
    store::loan::drop_row(tx, id).await?;
    let mut is_there = false;
    for state in changes.iter().filter_map(|change| change.new_state()) {
        is_there |= store::loan::keep(tx, &[&state]).await?;
    }
    Ok(is_there)
}
