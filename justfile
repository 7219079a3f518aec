# Every recipe first finds or fetches libtorch (.ci/libtorch); nothing has to be set by hand.
set shell := ["bash", "-euo", "pipefail", "-c"]

# List the recipes
[private]
default:
    @just --justfile '{{ justfile() }}' --list --unsorted

# Fetch libtorch when it is missing and tell cargo where it is
setup: libtorch
    @echo 'libtorch is ready; next: just demo, or just build'

# Build the programs into target/debug (the profile is optimised): atelier, and its half with libtorch beside it
build: libtorch
    cargo build --bin atelier-train
    cargo build --bin atelier --no-default-features

# Build the notebook's kernel into target/release: long the first time, for the rust-analyzer in it
kernel:
    cargo build --release -p atelier-kernel

# Train a small Pix2PixHD on the CPU for a minute or two, on landscapes that it draws itself
demo: libtorch
    cargo run --bin atelier-train -- train configs/quickstart.toml

# Adapt a tiny Stable Diffusion, which it trains itself first, to drawn illustrations: minutes on the CPU
demo-sd: libtorch
    cargo run --bin atelier-train -- train configs/sd-tiny-lora.toml

# Run every test; arguments go to cargo test (just test layers)
test *arguments: libtorch
    cargo test {{ arguments }}

# Run the notebook's tests: the crate that cells link, and the kernel against everything a cell can do to it
test-notebook: kernel
    cargo test -p atelier-probe
    cargo test --release -p atelier-kernel

# Formatting, lints, documentation, and the viewer layers without libtorch
lint: libtorch
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --no-default-features --all-targets -- -D warnings
    cargo clippy -p atelier-probe --all-targets -- -D warnings
    cargo clippy --release -p atelier-kernel --all-targets -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

# What CI runs
ci: lint test test-notebook

# Measure: all benchmarks, or one with its arguments (just bench loader --data data/mine)
bench name='*' *arguments: libtorch
    cargo bench {{ if name == 'dashboard' { '--no-default-features' } else { '' } }} --profile dev --config profile.dev.package.atelier.opt-level=3 --bench '{{ name }}' -- {{ arguments }}

# Format the sources
fmt:
    cargo fmt

# Say what this machine has, and what to do about what it lacks
doctor *arguments: libtorch
    @cargo run --quiet --bin atelier-train -- doctor {{ arguments }}

# Install atelier and its half with libtorch into cargo's bin folder
install: build
    install -D --target-directory="${CARGO_HOME:-$HOME/.cargo}/bin" \
        "${CARGO_TARGET_DIR:-target}/debug/atelier" "${CARGO_TARGET_DIR:-target}/debug/atelier-train"

# Install the notebook's kernel beside them
install-kernel: kernel
    install -D --target-directory="${CARGO_HOME:-$HOME/.cargo}/bin" \
        "${CARGO_TARGET_DIR:-target}/release/atelier-kernel" "${CARGO_TARGET_DIR:-target}/release/atelier-cell"

[private]
libtorch:
    @python3 .ci/libtorch > /dev/null
