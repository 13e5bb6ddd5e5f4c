//! OpenAPI 3.1 documents made from schemes; the schemas go in as they stand.
//!
//! What OpenAPI has no word for goes into extensions: `x-clauses` names the clauses that speak of a part (and, at the
//! top, says them), `x-step` is the step of the flow, `x-document` the public document.

use crate::{
    Auth, Clause, Encoding, Example, Field, KeySignature, Operation, Outcome, Place, Role, Scheme,
    StatusPattern, Token, TokenFormat, Unit,
};
use serde_json::{Map, Value, json};

/// Name of the security scheme for access tokens.
const ACCESS: &str = "accessToken";
/// Name of the security scheme for refresh tokens.
const REFRESH: &str = "refreshToken";
/// Name of the security scheme for requests signed with a registered key.
const SIGNED: &str = "registeredKey";

/// The OpenAPI 3.1 document of one scheme, the same for the same scheme.
///
/// ```
/// let spec = countersign_spec::Spec::embedded();
/// let document = countersign_spec::openapi::document(spec.scheme("cbs").unwrap());
/// assert_eq!(document["paths"]["/v1/api/auth/login"]["post"]["operationId"], "login");
/// ```
#[must_use]
pub fn document(scheme: &Scheme) -> Value {
    let schemas: Map<String, Value> =
        scheme.schemas.iter().map(|(file, schema)| (component(file), embed(file, &schema.value))).collect();
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": scheme.title,
            "summary": scheme.summary,
            "description": format!("Made from the public document \"{}\".", scheme.document),
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths(scheme),
        "components": { "schemas": schemas, "securitySchemes": security_schemes(scheme) },
        "x-document": scheme.document,
        "x-clauses": scheme.clauses.iter().map(|clause| (clause.id.clone(), said(clause))).collect::<Map<_, _>>(),
    })
}

fn said(clause: &Clause) -> Value {
    json!({ "level": clause.level, "basis": clause.basis, "source": clause.source, "says": clause.says })
}

/// `login-request.json` is the component `login-request`.
fn component(file: &str) -> String {
    file.trim_end_matches(".json").to_owned()
}

fn reference(file: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", component(file)) })
}

/// The schema at its place in the document, where `#` means the document and no longer the schema.
fn embed(file: &str, schema: &Value) -> Value {
    match schema {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| {
                match (key.as_str(), value.as_str().and_then(|text| text.strip_prefix('#'))) {
                    ("$ref", Some(pointer)) => {
                        (key.clone(), json!(format!("#/components/schemas/{}{pointer}", component(file))))
                    }
                    _ => (key.clone(), embed(file, value)),
                }
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| embed(file, item)).collect(),
        other => other.clone(),
    }
}

fn paths(scheme: &Scheme) -> Map<String, Value> {
    let mut paths = Map::new();
    for operation in &scheme.operations {
        let routes = std::iter::once(&operation.path).chain(&operation.other_paths);
        for (place, path) in routes.enumerate() {
            let methods = std::iter::once(&operation.method).chain(&operation.other_methods);
            for (turn, method) in methods.enumerate() {
                let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
                let mut id = operation.name.clone();
                if turn > 0 {
                    id = format!("{id}_by_{}", method.to_ascii_lowercase());
                }
                if place > 0 {
                    id = format!("{id}_other_path_{place}");
                }
                item[method.to_ascii_lowercase()] = self::operation(scheme, operation, method, &id);
            }
        }
    }
    paths
}

fn operation(scheme: &Scheme, operation: &Operation, method: &str, id: &str) -> Value {
    let name = &operation.name;
    let mut value = json!({
        "operationId": id,
        "summary": summary(scheme, operation),
        "security": security(operation),
        "responses": responses(scheme, operation),
        "x-step": format!("{:?}", operation.step).to_ascii_lowercase(),
        "x-clauses": clause_ids(scheme, |anchor| {
            // Clauses about a request stand with its body, or here where it has none.
            let request = anchor.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(".request"));
            anchor == name.as_str() || (request && operation.request.schema.is_none())
        }),
    });
    // A further method has its members in the query where it is GET, and in a body otherwise.
    let in_query = method == "GET" || method == operation.method;
    let parameters: Vec<Value> = operation
        .request
        .fields
        .iter()
        .filter(|field| in_query || !matches!(field.at, Place::Query(_)))
        .filter_map(|field| parameter(scheme, operation, field))
        .collect();
    if !parameters.is_empty() {
        value["parameters"] = json!(parameters);
    }
    if let Some(body) = request_body(scheme, operation) {
        value["requestBody"] = body;
    } else if !in_query {
        value["requestBody"] = members_body(operation);
    }
    value
}

/// What the operation is for, in the words of the first clause about it.
fn summary(scheme: &Scheme, operation: &Operation) -> String {
    scheme
        .clauses_about(&operation.name)
        .next()
        .map_or_else(|| operation.name.clone(), |clause| clause.says.clone())
}

/// Ids of the clauses with an anchor that fits.
fn clause_ids(scheme: &Scheme, fits: impl Fn(&str) -> bool) -> Vec<&str> {
    scheme
        .clauses
        .iter()
        .filter(|clause| clause.about.iter().any(|anchor| fits(&anchor.0)))
        .map(|clause| clause.id.as_str())
        .collect()
}

/// Ids of the clauses about a part of an operation, headers and query parameters aside where they stand by themselves.
fn part_clauses<'a>(scheme: &'a Scheme, operation: &Operation, part: &str) -> Vec<&'a str> {
    let whole = format!("{}.{part}", operation.name);
    let inner = format!("{whole}:");
    clause_ids(scheme, |anchor| anchor == whole || anchor.starts_with(&inner))
}

fn parameter(scheme: &Scheme, operation: &Operation, field: &Field) -> Option<Value> {
    let (place, name) = match &field.at {
        Place::Body(_) => return None,
        Place::Header(name) => ("header", name),
        Place::Query(name) => ("query", name),
    };
    let anchor = format!("{}.request:{}", operation.name, field.at);
    let mut value = json!({
        "name": name,
        "in": place,
        "required": !field.optional,
        "schema": field_schema(field),
        "x-clauses": clause_ids(scheme, |about| about == anchor),
    });
    if let Some(clause) = scheme.clauses_about(&anchor).next() {
        value["description"] = json!(clause.says);
    }
    let shown =
        scheme.examples.iter().filter(|example| example.success && example.operation == operation.name);
    let texts = shown.filter_map(|example| match &field.at {
        Place::Header(name) => example.request.headers.get(name),
        _ => example.request.query.get(name),
    });
    if let Some(text) = texts.into_iter().next() {
        value["example"] = match (field.role, text.parse::<i64>()) {
            (Role::Timestamp, Ok(number)) => json!(number),
            _ => json!(text),
        };
    }
    Some(value)
}

/// Schema of a field that no body schema describes.
fn field_schema(field: &Field) -> Value {
    match (&field.value, field.role) {
        (Some(Value::String(text)), _) if text.contains('{') => json!({ "type": "string" }),
        (Some(value), _) => json!({ "const": value }),
        (None, Role::Timestamp) if field.unit != Some(Unit::Rfc3339) => json!({ "type": "integer" }),
        (None, _) => json!({ "type": "string" }),
    }
}

fn request_body(scheme: &Scheme, operation: &Operation) -> Option<Value> {
    let file = operation.request.schema.as_ref()?;
    let examples: Map<String, Value> = examples_of(scheme, operation)
        .filter_map(|example| Some((example, example.request.body.as_ref()?)))
        .filter(|(_, body)| scheme.schema(file).is_some_and(|schema| schema.accepts(body)))
        .map(|(example, body)| shown(example, body))
        .collect();
    let content: Map<String, Value> = operation
        .request
        .encodings
        .iter()
        .map(|encoding| {
            let mut media = json!({ "schema": reference(file) });
            if *encoding == Encoding::Json && !examples.is_empty() {
                media["examples"] = json!(examples);
            }
            (media_type(*encoding).to_owned(), media)
        })
        .collect();
    Some(json!({
        "required": operation.variants.iter().all(|variant| variant.body),
        "content": content,
        "x-clauses": part_clauses(scheme, operation, "request"),
    }))
}

/// A body for a method that sends in it what GET has in the query.
fn members_body(operation: &Operation) -> Value {
    let fields = || operation.request.fields.iter().filter(|field| matches!(field.at, Place::Query(_)));
    let properties: Map<String, Value> =
        fields().map(|field| (field.at.name().to_owned(), field_schema(field))).collect();
    let required: Vec<&str> = fields().filter(|field| !field.optional).map(|field| field.at.name()).collect();
    let schema = json!({ "type": "object", "required": required, "properties": properties });
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

const fn media_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Form => "application/x-www-form-urlencoded",
        Encoding::Json => "application/json",
    }
}

fn examples_of<'a>(scheme: &'a Scheme, operation: &'a Operation) -> impl Iterator<Item = &'a Example> {
    scheme.examples.iter().filter(|example| example.operation == operation.name)
}

fn shown(example: &Example, value: &Value) -> (String, Value) {
    (component(&example.file), json!({ "summary": example.summary, "value": value }))
}

fn responses(scheme: &Scheme, operation: &Operation) -> Map<String, Value> {
    let mut responses = Map::new();
    let failures = &scheme.envelope.failure_status;
    for status in &operation.success.status {
        let also = failures.contains(status);
        responses.insert(
            status_key(*status),
            response(scheme, operation, Some(&operation.success), also, *status),
        );
    }
    for status in failures.iter().filter(|status| !operation.success.status.contains(status)) {
        responses.insert(status_key(*status), response(scheme, operation, None, true, *status));
    }
    responses
}

/// `200` as it is, a class in the capitals of OpenAPI.
fn status_key(status: StatusPattern) -> String {
    status.to_string().to_ascii_uppercase()
}

/// One response: a success, a refusal, or either of them where both have the same status.
fn response(
    scheme: &Scheme,
    operation: &Operation,
    success: Option<&Outcome>,
    failure: bool,
    status: StatusPattern,
) -> Value {
    let refused = reference(&scheme.envelope.failure_schema);
    let (description, schema) = match (success, failure) {
        (Some(outcome), false) => ("Success.", reference(&outcome.schema)),
        (Some(outcome), true) => (
            "Success, or a refusal that only the body tells.",
            json!({ "oneOf": [reference(&outcome.schema), refused] }),
        ),
        (None, _) => ("Refusal.", refused),
    };
    let parts = [("success", success.is_some()), ("failure", failure)];
    let clauses: Vec<&str> = parts
        .into_iter()
        .filter(|(_, stands)| *stands)
        .flat_map(|(part, _)| part_clauses(scheme, operation, part))
        .collect();
    let examples: Map<String, Value> = examples_of(scheme, operation)
        .filter(|example| status.matches(example.response.status))
        .filter(|example| if example.success { success.is_some() } else { failure })
        .map(|example| shown(example, &example.response.body))
        .collect();
    let mut media = json!({ "schema": schema });
    if !examples.is_empty() {
        media["examples"] = json!(examples);
    }
    json!({
        "description": description,
        "content": { "application/json": media },
        "x-clauses": clauses,
    })
}

/// Every way to show who asks; an empty requirement means that nothing needs to be shown.
fn security(operation: &Operation) -> Vec<Value> {
    let requirement = |auth: Auth| match auth {
        Auth::None => json!({}),
        Auth::Access => json!({ ACCESS: [] }),
        Auth::Refresh => json!({ REFRESH: [] }),
        Auth::Signed => json!({ SIGNED: [] }),
    };
    let mut ways = vec![requirement(operation.auth)];
    if operation.auth_optional {
        ways.push(json!({}));
    }
    ways.extend(operation.variants.iter().map(|variant| requirement(variant.auth)));
    // A list of one empty requirement is how OpenAPI says "open" too, but tools read an empty list better.
    if ways == [json!({})] { Vec::new() } else { ways }
}

fn security_schemes(scheme: &Scheme) -> Map<String, Value> {
    let mut schemes = Map::new();
    let asked = |auth: Auth| {
        scheme.operations.iter().any(|operation| {
            operation.auth == auth || operation.variants.iter().any(|variant| variant.auth == auth)
        })
    };
    for (name, auth, token) in
        [(ACCESS, Auth::Access, &scheme.tokens.access), (REFRESH, Auth::Refresh, &scheme.tokens.refresh)]
    {
        if let (Some(token), true) = (token, asked(auth)) {
            schemes.insert(name.to_owned(), bearer(token));
        }
    }
    for operation in &scheme.operations {
        if let (Some(signed), Some(field)) = (&operation.signed, operation.request_field(Role::Signature)) {
            schemes.insert(SIGNED.to_owned(), registered_key(signed, field));
        }
    }
    schemes
}

fn bearer(token: &Token) -> Value {
    let mut value = json!({ "type": "http", "scheme": "bearer" });
    if token.format == TokenFormat::Jwt {
        value["bearerFormat"] = json!("JWT");
    }
    value
}

/// OpenAPI knows no signed requests; a key that travels with each request is the nearest it has.
fn registered_key(signed: &KeySignature, field: &Field) -> Value {
    let place = if matches!(field.at, Place::Header(_)) { "header" } else { "query" };
    let over: Vec<&str> = signed.over.iter().map(Place::name).collect();
    json!({
        "type": "apiKey",
        "in": place,
        "name": field.at.name(),
        "description": format!(
            "An ed25519 signature by the key registered at login over {}, joined without separators, in base64.",
            over.join(" and ")
        ),
    })
}
