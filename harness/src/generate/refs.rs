//! Subschemas by number, and what their references point to.
//!
//! A subschema is known by where it lies, its base address and, for `$dynamicRef`, the way it was reached.

use super::{Reason, Unsupported};
use referencing::{Draft, Registry, Resolver, ResourceRef};
use serde_json::Value;
use std::collections::HashMap;

/// The number of a subschema.
pub(super) type SubId = u32;

/// The address of a schema that gives itself none.
const NAMELESS: &str = "json-schema:///";

/// One subschema where it stands.
struct Sub<'r> {
    schema: &'r Value,
    resolver: Option<Resolver<'r>>,
    pointer: String,
}

/// All subschemas met so far.
pub(super) struct Subs<'r> {
    subs: Vec<Sub<'r>>,
    known: HashMap<(usize, String), SubId>,
    names: HashMap<String, Vec<String>>,
}

/// Whether the schema refers to anything or renames itself, so that addresses matter.
pub(super) fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            ["$ref", "$dynamicRef"].iter().any(|key| map.contains_key(*key)) || map.values().any(refers)
        }
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

/// The registry in which references of the schema are looked up.
///
/// # Errors
/// A document without a usable address, or a reference to a document that was not given.
pub(super) fn registry<'r>(
    schema: &'r Value,
    documents: &'r [(String, Value)],
) -> Result<Registry<'r>, Unsupported> {
    let unresolved = |error: referencing::Error| Unsupported {
        keyword: "$ref".to_owned(),
        pointer: String::new(),
        reason: Reason::Reference(error.to_string()),
    };
    let mut builder = Registry::new().draft(Draft::Draft202012);
    for (uri, document) in documents {
        builder = builder.add(uri, document).map_err(unresolved)?;
    }
    builder.add(address(schema), schema).map_err(unresolved)?.prepare().map_err(unresolved)
}

fn address(schema: &Value) -> &str {
    schema
        .get("$id")
        .and_then(Value::as_str)
        .filter(|id| referencing::uri::from_str(id).is_ok())
        .unwrap_or(NAMELESS)
}

impl<'r> Subs<'r> {
    /// Starts at the root, with a registry if references are to be followed.
    ///
    /// # Errors
    /// An `$id` that is no address.
    pub(super) fn new(root: &'r Value, registry: Option<&'r Registry<'r>>) -> Result<Self, Unsupported> {
        let resolver = match registry {
            None => None,
            Some(registry) => {
                let uri = referencing::uri::from_str(address(root)).map_err(|error| Unsupported {
                    keyword: "$id".to_owned(),
                    pointer: String::new(),
                    reason: Reason::Reference(error.to_string()),
                })?;
                Some(registry.resolver(uri))
            }
        };
        let mut subs = Self { subs: Vec::new(), known: HashMap::new(), names: HashMap::new() };
        subs.place(root, resolver, String::new());
        Ok(subs)
    }

    /// The root.
    pub(super) const ROOT: SubId = 0;

    pub(super) fn schema(&self, id: SubId) -> &'r Value {
        self.subs[id as usize].schema
    }

    pub(super) fn pointer(&self, id: SubId) -> &str {
        &self.subs[id as usize].pointer
    }

    /// A few names that match the expression.
    pub(super) fn names_of(&mut self, source: &str) -> Vec<String> {
        if let Some(known) = self.names.get(source) {
            return known.clone();
        }
        let names = super::plan::names_of_pattern(source);
        self.names.insert(source.to_owned(), names.clone());
        names
    }

    /// The subschema below `of`, at the path of keywords and names.
    pub(super) fn child(&mut self, of: SubId, schema: &'r Value, path: &[&str]) -> SubId {
        let parent = &self.subs[of as usize];
        let resolver = parent.resolver.as_ref().map(|resolver| {
            let resource = ResourceRef::new(schema, Draft::Draft202012);
            resolver.in_subresource(resource).unwrap_or_else(|_| resolver.clone())
        });
        let mut pointer = parent.pointer.clone();
        for step in path {
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        self.place(schema, resolver, pointer)
    }

    /// What a reference in `of` points to.
    ///
    /// # Errors
    /// A reference to nothing we have.
    pub(super) fn target(&mut self, of: SubId, keyword: &str, reference: &str) -> Result<SubId, Unsupported> {
        let from = &self.subs[of as usize];
        let fail = |why: String| Unsupported {
            keyword: keyword.to_owned(),
            pointer: from.pointer.clone(),
            reason: Reason::Reference(why),
        };
        let Some(resolver) = &from.resolver else {
            return Err(fail("references were not expected here".to_owned()));
        };
        // The resolver that comes back is already based at the `$id` of what it found.
        let (schema, resolver, _) =
            resolver.lookup(reference).map_err(|error| fail(error.to_string()))?.into_inner();
        let pointer = format!("{}/{keyword}", from.pointer);
        Ok(self.place(schema, Some(resolver), pointer))
    }

    fn place(&mut self, schema: &'r Value, resolver: Option<Resolver<'r>>, pointer: String) -> SubId {
        let mut way = String::new();
        if let Some(resolver) = &resolver {
            way.push_str(resolver.base_uri().as_str());
            for uri in &resolver.dynamic_scope() {
                way.push(' ');
                way.push_str(uri.as_str());
            }
        }
        let key = (std::ptr::from_ref(schema) as usize, way);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let id = SubId::try_from(self.subs.len()).unwrap_or(SubId::MAX);
        self.known.insert(key, id);
        self.subs.push(Sub { schema, resolver, pointer });
        id
    }
}
