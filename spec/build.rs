//! Rebuilds the crate when a file is added to a scheme folder or taken from one; the embedding itself only notices
//! changes inside files it has seen.

fn main() {
    println!("cargo::rerun-if-changed=schemes");
}
