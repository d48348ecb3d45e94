// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a job costs: sides by colour, and sheets. Integers all the way; what is too large for 64
//! bits is the largest amount there is, never a small one.

use platen_model::journal::Cost;
use platen_model::{PageCount, Prices, PrinterName, Sides};

use crate::work::Work;

/// The list by which `printer` is paid for: its own, or else the one for all printers. Of several,
/// the one with the lowest id, so that every box takes the same. Without a list printing is free.
#[must_use]
pub fn list_in_force<'a>(lists: &'a [Prices], printer: &PrinterName) -> Option<&'a Prices> {
    let of = |wanted: Option<&PrinterName>| {
        let fitting = lists
            .iter()
            .filter(move |list| list.printer.as_ref() == wanted);
        fitting.min_by_key(|list| list.id)
    };
    of(Some(printer)).or_else(|| of(None))
}

/// The price of so many sides and sheets, in thousandths of the list's currency.
#[must_use]
pub fn price(list: &Prices, color: bool, impressions: u64, media_sheets: u64) -> u64 {
    let side = if color {
        list.side_color
    } else {
        list.side_monochrome
    };
    // Each product fits into 128 bits; both together may not.
    let sides = u128::from(side) * u128::from(impressions);
    let sheets = u128::from(list.sheet) * u128::from(media_sheets);
    let sum = sides.saturating_add(sheets);
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// The cost before printing; `None` without a list, or when the pages could not be counted.
pub(crate) fn cost_of_work(list: Option<&Prices>, work: &Work) -> Option<Cost> {
    let list = list?;
    let amount = price(list, work.color, work.impressions()?, work.media_sheets()?);
    Some(Cost {
        amount,
        prices: list.id,
    })
}

/// The cost of what was printed; `None` without a list or a number of impressions. Sheets that
/// nobody counted are taken as few as the sides allow.
#[must_use]
pub fn cost_of_count(
    lists: &[Prices],
    printer: &PrinterName,
    color: bool,
    count: &PageCount,
) -> Option<Cost> {
    let list = list_in_force(lists, printer)?;
    let impressions = count.impressions?;
    let sheets = count.media_sheets.unwrap_or(match count.sides {
        Sides::OneSided => impressions,
        Sides::TwoSidedLongEdge | Sides::TwoSidedShortEdge => impressions.div_ceil(2),
    });
    Some(Cost {
        amount: price(list, color, impressions.into(), sheets.into()),
        prices: list.id,
    })
}

#[cfg(test)]
mod tests {
    use platen_model::{Certainty, JobId, PricesId};

    use super::*;

    fn list(id: u8, printer: Option<&str>) -> Prices {
        Prices {
            id: PricesId(JobId::from_parts(0, &[id; 10]).0),
            name: String::new(),
            currency: "CNY".into(),
            printer: printer.map(|name| PrinterName(name.into())),
            side_monochrome: 100,
            side_color: 500,
            sheet: 20,
        }
    }

    #[test]
    fn sides_and_sheets_are_paid_by_colour() {
        assert_eq!(price(&list(1, None), false, 6, 4), 680);
        assert_eq!(price(&list(1, None), true, 6, 4), 3080);
    }

    #[test]
    fn a_printers_own_list_wins_and_the_lowest_id_among_equals() {
        let lists = [
            list(3, None),
            list(2, None),
            list(9, Some("hall")),
            list(8, Some("hall")),
        ];
        let id = |name: &str| list_in_force(&lists, &PrinterName(name.into())).map(|list| list.id);
        assert_eq!(id("hall"), Some(lists[3].id));
        assert_eq!(id("attic"), Some(lists[1].id));
        let hall_alone = list_in_force(&lists[2..], &PrinterName("attic".into()));
        assert_eq!(hall_alone, None);
    }

    #[test]
    fn what_is_too_large_stays_large() {
        let list = Prices {
            side_color: u64::MAX,
            sheet: u64::MAX,
            ..list(1, None)
        };
        assert_eq!(price(&list, true, u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_count_of_the_printer_without_sheets_is_paid_by_as_few_as_can_be() {
        let lists = [list(1, None)];
        let mut count = PageCount::parsed(5, 1, Sides::TwoSidedLongEdge, Certainty::Exact);
        count.media_sheets = None;
        let cost = |count: &PageCount| {
            let cost = cost_of_count(&lists, &PrinterName("hall".into()), false, count);
            cost.map(|cost| cost.amount)
        };
        assert_eq!(cost(&count), Some(560));
        count.impressions = None;
        assert_eq!(cost(&count), None);
    }
}
