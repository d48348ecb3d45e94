// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Holds an answer to its schema: the few words of JSON Schema that the description uses.

use serde_json::{Value, json};

use super::super::openapi;
use super::super::routes::{Found, find};

/// Holds the answer of a route to what its description says.
pub(super) fn check(method: &str, path: &str, answer: &Value) {
    let plain = path.split('?').next().unwrap();
    let Found::Route(route, _) = find(method, plain) else {
        panic!("{method} {path} is no route");
    };
    if route.gives.is_empty() {
        assert_eq!(*answer, Value::Null, "{method} {path}");
        return;
    }
    hold(&openapi::answer_schema(route.gives), answer, path);
}

/// Holds a value to a schema by its name.
pub(super) fn check_named(name: &str, value: &Value) {
    let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
    hold(&schema, value, name);
}

fn hold(schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        let schemas = openapi::schemas();
        let named = schemas.get(name);
        return hold(
            named.unwrap_or_else(|| panic!("no schema {name}")),
            value,
            place,
        );
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let own = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(
        types.contains(&json!(own)),
        "{place}: {value} is not {types:?}"
    );
    if let Some(words) = schema["enum"].as_array() {
        assert!(
            words.contains(value),
            "{place}: {value} is none of {words:?}"
        );
    }
    for item in value.as_array().into_iter().flatten() {
        hold(&schema["items"], item, &format!("{place}[]"));
    }
    let Some(fields) = value.as_object() else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(
            fields.contains_key(name.as_str().unwrap()),
            "{place}: {name} is missing"
        );
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for (name, value) in fields {
        let property = properties.get(name);
        let property = property.unwrap_or_else(|| panic!("{place}: {name} is not described"));
        hold(property, value, &format!("{place}.{name}"));
    }
}
