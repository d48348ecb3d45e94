// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Price lists.

use platen_model::{Prices, PricesId, PrinterName};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, signed};
use crate::app::CentreError;

const COLUMNS: &str =
    "p.id, p.name, p.currency, p.printer, p.side_monochrome, p.side_color, p.sheet";

fn prices(row: &AnyRow) -> Result<Prices, CentreError> {
    let printer = row.text("printer")?;
    Ok(Prices {
        id: PricesId(row.uuid("id")?),
        name: row.text("name")?,
        currency: row.text("currency")?,
        printer: (!printer.is_empty()).then_some(PrinterName(printer)),
        side_monochrome: row.number("side_monochrome")?,
        side_color: row.number("side_color")?,
        sheet: row.number("sheet")?,
    })
}

/// All price lists in order of their names.
pub(crate) async fn all(connection: &mut AnyConnection) -> Result<Vec<Prices>, CentreError> {
    let statement = format!("SELECT {COLUMNS} FROM prices p ORDER BY p.name, p.id");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(prices).collect()
}

/// Price lists whose last change lies in a range, with its revision.
pub(crate) async fn changed(
    connection: &mut AnyConnection,
    after: u64,
    to: u64,
) -> Result<Vec<(u64, Prices)>, CentreError> {
    let statement = format!(
        "SELECT o.revision, {COLUMNS} FROM objects o JOIN prices p ON p.id = o.id \
         WHERE o.kind = 'prices' AND o.revision > $1 AND o.revision <= $2"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(signed(after))
        .bind(signed(to));
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.number("revision")?, prices(row)?)))
        .collect()
}

/// Keeps a price list as it is given.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    prices: &Prices,
) -> Result<(), CentreError> {
    let printer = prices.printer.as_ref().map_or("", |name| name.0.as_str());
    let statement = "INSERT INTO prices (id, name, currency, printer, side_monochrome, \
         side_color, sheet) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
         name = excluded.name, currency = excluded.currency, printer = excluded.printer, \
         side_monochrome = excluded.side_monochrome, side_color = excluded.side_color, \
         sheet = excluded.sheet";
    sqlx::query(statement)
        .bind(prices.id.to_string())
        .bind(prices.name.clone())
        .bind(prices.currency.clone())
        .bind(printer.to_owned())
        .bind(signed(prices.side_monochrome))
        .bind(signed(prices.side_color))
        .bind(signed(prices.sheet))
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a price list away and says whether there was one.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    id: PricesId,
) -> Result<bool, CentreError> {
    let query = sqlx::query("DELETE FROM prices WHERE id = $1");
    let done = query.bind(id.to_string()).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}
