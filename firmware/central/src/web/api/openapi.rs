// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The description for machines, OpenAPI 3.1: routes from the table, schemas from `schemas.json`.

use serde_json::{Map, Value, json};

use super::answer::{Answer, json as answer};
use super::routes::{ROUTES, Route, Takes};

const SCHEMAS: &str = include_str!("schemas.json");

pub(super) fn show() -> Answer {
    answer(&document())
}

pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(route.method.to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Platen central server",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// The schemas, by name.
pub(super) fn schemas() -> Value {
    serde_json::from_str(SCHEMAS).expect("the file is JSON: a test reads it")
}

fn operation(route: &Route) -> Value {
    let inside = route.path.split('/').filter_map(|word| {
        let name = word.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({
            "name": name,
            "in": "path",
            "required": true,
            "schema": { "type": "string" },
        }))
    });
    let query = route
        .query
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }));
    let mut operation = json!({
        "operationId": format!("{:?}", route.operation),
        "summary": route.about,
        "parameters": inside.chain(query).collect::<Vec<_>>(),
        "responses": {
            "2XX": success(route.gives),
            "default": content("application/json", reference("Problem"), "A refusal."),
        },
        "security": if route.operation.is_open() { json!([]) } else { json!([{ "token": [] }]) },
    });
    let body = match route.takes {
        Takes::Nothing => None,
        Takes::Json(name) => Some(("application/json", reference(name))),
        Takes::Text(kind) => Some((kind, json!({ "type": "string" }))),
        Takes::Bytes => Some(("application/octet-stream", json!({}))),
    };
    if let (Some((kind, schema)), Value::Object(fields)) = (body, &mut operation) {
        let mut body = content(kind, schema, "");
        if let Value::Object(body) = &mut body {
            body.remove("description");
            body.insert("required".to_owned(), json!(true));
        }
        fields.insert("requestBody".to_owned(), body);
    }
    operation
}

fn success(gives: &str) -> Value {
    if gives.is_empty() {
        return json!({ "description": "Done." });
    }
    content("application/json", answer_schema(gives), "Done.")
}

/// The schema of what a route gives.
pub(super) fn answer_schema(gives: &str) -> Value {
    match gives
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        None => reference(gives),
        Some(name) => json!({
            "type": "object",
            "required": ["items", "total", "next"],
            "properties": {
                "items": { "type": "array", "items": reference(name) },
                "total": { "type": "integer" },
                "next": { "type": ["string", "null"] },
            },
        }),
    }
}

fn content(kind: &str, schema: Value, description: &str) -> Value {
    let mut kinds = Map::new();
    kinds.insert(kind.to_owned(), json!({ "schema": schema }));
    json!({ "description": description, "content": kinds })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::routes::Found;
    use super::super::routes::find;
    use super::*;

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let method = method.to_ascii_uppercase();
                let real = path.replace(['{', '}'], "");
                let Found::Route(route, _) = find(&method, &real) else {
                    panic!("{method} {path} is described and not served");
                };
                assert_eq!(operation["operationId"], format!("{:?}", route.operation));
                assert!(described.insert(format!("{:?}", route.operation)));
            }
        }
        let served: BTreeSet<_> = ROUTES
            .iter()
            .map(|route| format!("{:?}", route.operation))
            .collect();
        assert_eq!(described, served);
        assert_eq!(served.len(), ROUTES.len());
    }

    #[test]
    fn every_schema_that_is_named_is_there_and_every_one_there_is_named() {
        let document = document().to_string();
        let schemas = schemas();
        let schemas = schemas.as_object().unwrap();
        for name in schemas.keys() {
            assert!(
                document.contains(&format!("#/components/schemas/{name}\"")),
                "{name}"
            );
        }
        for part in document.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
