# Every recipe first finds or fetches libtorch (.ci/libtorch); nothing has to be set by hand.
set shell := ["bash", "-euo", "pipefail", "-c"]

# List the recipes
[private]
default:
    @just --justfile '{{ justfile() }}' --list --unsorted

# Fetch libtorch when it is missing and tell cargo where it is
setup: libtorch
    @echo 'libtorch is ready; next: just demo, or just build'

# Build the atelier program into target/debug (the profile is optimised)
build: libtorch
    cargo build --bin atelier

# Train a small Pix2PixHD on the CPU for a few minutes, on landscapes that it draws itself
demo: build
    cargo run --quiet --bin atelier -- train configs/quickstart.toml

# Run every test; arguments go to cargo test (just test layers)
test *arguments: libtorch
    cargo test {{ arguments }}

# Formatting, lints, documentation, and the viewer layers without libtorch
lint: libtorch
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --no-default-features --all-targets -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

# What CI runs
ci: lint test

# Measure: all benchmarks, or one with its arguments (just bench loader --data data/mine)
bench name='*' *arguments: libtorch
    cargo bench --profile dev --config profile.dev.package.atelier.opt-level=3 --bench '{{ name }}' -- {{ arguments }}

# Format the sources
fmt:
    cargo fmt

# Say what this machine has, and what to do about what it lacks
doctor *arguments: build
    @cargo run --quiet --bin atelier -- doctor {{ arguments }}

# Install the program into cargo's bin folder
install: libtorch
    cargo install --path . --locked --profile dev

[private]
libtorch:
    @python3 .ci/libtorch > /dev/null
