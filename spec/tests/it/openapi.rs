//! The OpenAPI documents hold against the official schema, and say what the schemes say.

use countersign_spec::{Scheme, Spec, openapi};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn documents_pass_the_official_schema_of_openapi_3_1() {
    let official: Value = serde_json::from_str(include_str!("../data/openapi-3.1.schema.json")).unwrap();
    let validator = jsonschema::draft202012::options().build(&official).unwrap();
    for scheme in Spec::embedded().schemes() {
        let document = openapi::document(scheme);
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}\n{}", scheme.id, errors.join("\n"));
    }
    let broken = json!({ "openapi": "3.1.0", "info": { "title": "no version" }, "paths": {} });
    assert!(!validator.is_valid(&broken), "the official schema accepts anything");
}

/// The official schema leaves schemas alone, so they are held against their dialect here.
#[test]
fn schemas_in_documents_are_schemas_and_references_resolve() {
    for scheme in Spec::embedded().schemes() {
        let document = openapi::document(scheme);
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(jsonschema::draft202012::meta::is_valid(schema), "{}: {name}", scheme.id);
            assert_eq!(
                schema,
                &scheme.schema(&format!("{name}.json")).unwrap().value,
                "{}: {name}",
                scheme.id
            );
        }
        visit(&document, &mut |value| {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').expect("references are local");
                assert!(document.pointer(pointer).is_some(), "{}: {target}", scheme.id);
            }
        });
    }
}

#[test]
fn every_route_is_an_operation_with_an_id_of_its_own() {
    for scheme in Spec::embedded().schemes() {
        let document = openapi::document(scheme);
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{}: {id} at {method} {path}", scheme.id);
            }
        }
        let routes: usize = scheme
            .operations
            .iter()
            .map(|operation| (1 + operation.other_paths.len()) * (1 + operation.other_methods.len()))
            .sum();
        assert_eq!(ids.len(), routes, "{}", scheme.id);
    }
}

#[test]
fn every_clause_about_an_operation_is_cited() {
    for scheme in Spec::embedded().schemes() {
        let document = openapi::document(scheme);
        let mut cited = BTreeSet::new();
        visit(&document["paths"], &mut |value| {
            let ids = value.get("x-clauses").and_then(Value::as_array).into_iter().flatten();
            cited.extend(ids.map(|id| id.as_str().unwrap().to_owned()));
        });
        for clause in &scheme.clauses {
            assert!(cited.contains(&clause.id) || clause.about.is_empty(), "{} is not cited", clause.id);
            assert_eq!(document["x-clauses"][&clause.id]["says"], json!(clause.says));
        }
    }
}

#[test]
fn a_refusal_that_only_the_body_tells_shares_the_response_of_the_success() {
    let web3mq = document("web3mq");
    let answers = &web3mq["paths"]["/api/user_login/"]["post"]["responses"];
    assert_eq!(
        answers["200"]["content"]["application/json"]["schema"]["oneOf"],
        json!([{ "$ref": "#/components/schemas/login" }, { "$ref": "#/components/schemas/failure" }])
    );
    assert_eq!(
        answers["4XX"]["content"]["application/json"]["schema"],
        json!({ "$ref": "#/components/schemas/failure" })
    );
    let ethgas = document("ethgas");
    let answers = &ethgas["paths"]["/api/v1/user/login"]["post"]["responses"];
    assert_eq!(
        answers["200"]["content"]["application/json"]["schema"],
        json!({ "$ref": "#/components/schemas/tokens" })
    );
    assert_eq!(answers["200"]["content"]["application/json"]["examples"]["login"]["value"]["code"], 200);
    assert_eq!(
        answers["4XX"]["content"]["application/json"]["examples"]["login-refused"]["value"]["code"],
        401
    );
}

#[test]
fn security_says_every_way_to_show_who_asks() {
    let ethgas = document("ethgas");
    let at = |path: &str, method: &str| ethgas["paths"][path][method]["security"].clone();
    assert_eq!(at("/api/v1/user/login", "post"), json!([]));
    assert_eq!(at("/api/v1/user/info", "get"), json!([{ "accessToken": [] }]));
    assert_eq!(at("/api/v1/user/login/refresh", "post"), json!([{}, { "refreshToken": [] }]));
    assert_eq!(
        ethgas["components"]["securitySchemes"]["accessToken"],
        json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" })
    );
    let cbs = document("cbs");
    for path in ["/v1/api/auth/refresh", "/api/v1/auth/refresh"] {
        assert_eq!(cbs["paths"][path]["post"]["security"], json!([{ "accessToken": [] }, {}]));
    }
}

#[test]
fn a_signed_request_has_its_members_in_the_query_of_get_and_in_the_body_of_post() {
    let web3mq = document("web3mq");
    let item = &web3mq["paths"]["/api/my_profile/"];
    let names: Vec<&str> = item["get"]["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["userid", "timestamp", "web3mq_signature"]);
    assert!(item["post"].get("parameters").is_none());
    let body = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["required"], json!(["userid", "timestamp", "web3mq_signature"]));
    assert_eq!(web3mq["components"]["securitySchemes"]["registeredKey"]["name"], "web3mq_signature");
}

fn document(id: &str) -> Value {
    let scheme: &Scheme = Spec::embedded().scheme(id).unwrap();
    openapi::document(scheme)
}

fn visit(value: &Value, look: &mut impl FnMut(&Value)) {
    look(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, look)),
        Value::Object(members) => members.values().for_each(|member| visit(member, look)),
        _ => {}
    }
}
