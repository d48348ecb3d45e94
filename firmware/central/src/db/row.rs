// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From rows to values and back. Both databases have 64-bit integers with a sign, text and bytes.

use std::str::FromStr;

use platen_model::Stamp;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{Row, ValueRef};
use uuid::Uuid;

use crate::app::CentreError;

/// For a column: what does not fit is as much as fits.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// From the three columns of a time of a box.
pub(crate) fn stamp(row: &AnyRow) -> Result<Stamp, CentreError> {
    Ok(Stamp {
        unix_ms: row.number("at_unix_ms")?,
        elapsed_ms: row.number("at_elapsed_ms")?,
        trusted: row.yes("at_trusted")?,
    })
}

/// Columns by name.
pub(crate) trait Columns {
    fn number(&self, column: &'static str) -> Result<u64, CentreError>;
    fn number_if(&self, column: &'static str) -> Result<Option<u64>, CentreError>;
    fn integer(&self, column: &'static str) -> Result<i64, CentreError>;
    fn text(&self, column: &'static str) -> Result<String, CentreError>;
    fn text_if(&self, column: &'static str) -> Result<Option<String>, CentreError>;
    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, CentreError>;
    fn bytes_if(&self, column: &'static str) -> Result<Option<Vec<u8>>, CentreError>;

    fn yes(&self, column: &'static str) -> Result<bool, CentreError> {
        Ok(self.number(column)? != 0)
    }

    fn number_as<T: TryFrom<u64>>(&self, column: &'static str) -> Result<T, CentreError> {
        T::try_from(self.number(column)?).map_err(|_| CentreError::corrupt(column))
    }

    fn uuid(&self, column: &'static str) -> Result<Uuid, CentreError> {
        parse(&self.text(column)?, column)
    }

    fn uuid_if(&self, column: &'static str) -> Result<Option<Uuid>, CentreError> {
        let text = self.text_if(column)?.filter(|text| !text.is_empty());
        text.map(|text| parse(&text, column)).transpose()
    }

    fn array<const N: usize>(&self, column: &'static str) -> Result<[u8; N], CentreError> {
        let bytes = self.bytes(column)?;
        <[u8; N]>::try_from(bytes.as_slice()).map_err(|_| CentreError::corrupt(column))
    }

    /// A keyword, as serde spells the variant.
    fn keyword<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, CentreError> {
        let text = serde_json::Value::String(self.text(column)?);
        serde_json::from_value(text).map_err(|_| CentreError::corrupt(column))
    }

    fn keyword_if<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, CentreError> {
        let text = self.text_if(column)?.map(serde_json::Value::String);
        let value = text.map(serde_json::from_value).transpose();
        value.map_err(|_| CentreError::corrupt(column))
    }

    fn json_if<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, CentreError> {
        let text = self.text_if(column)?;
        let value = text.map(|text| serde_json::from_str(&text)).transpose();
        value.map_err(|_| CentreError::corrupt(column))
    }
}

fn parse<T: FromStr>(text: &str, column: &'static str) -> Result<T, CentreError> {
    text.parse().map_err(|_| CentreError::corrupt(column))
}

impl Columns for AnyRow {
    fn number(&self, column: &'static str) -> Result<u64, CentreError> {
        u64::try_from(self.integer(column)?).map_err(|_| CentreError::corrupt(column))
    }

    fn number_if(&self, column: &'static str) -> Result<Option<u64>, CentreError> {
        let number: Option<i64> = self.try_get(column)?;
        let number = number.map(u64::try_from).transpose();
        number.map_err(|_| CentreError::corrupt(column))
    }

    fn integer(&self, column: &'static str) -> Result<i64, CentreError> {
        Ok(self.try_get(column)?)
    }

    fn text(&self, column: &'static str) -> Result<String, CentreError> {
        Ok(self.try_get(column)?)
    }

    fn text_if(&self, column: &'static str) -> Result<Option<String>, CentreError> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, CentreError> {
        Ok(self.try_get(column)?)
    }

    fn bytes_if(&self, column: &'static str) -> Result<Option<Vec<u8>>, CentreError> {
        // Not by `Option<Vec<u8>>`: a null of SQLite has no type that bytes agree with.
        if self.try_get_raw(column)?.is_null() {
            return Ok(None);
        }
        self.bytes(column).map(Some)
    }
}

/// How serde spells a value that is a keyword.
pub(crate) fn keyword(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}
