//! Which layers get an adapter.

use crate::models::params::Layout;

/// Every attention of the UNet: what the paper trains.
pub const ATTENTION: [&str; 4] = ["to_q", "to_k", "to_v", "to_out.0"];
/// Every convolution of the UNet, but the first and the last.
pub const CONVOLUTIONS: [&str; 6] = ["conv1", "conv2", "conv_shortcut", "conv", "proj_in", "proj_out"];
/// Every attention of the text encoder.
pub const TEXT_ATTENTION: [&str; 4] = ["q_proj", "k_proj", "v_proj", "out_proj"];

/// The entries of adapters of rank `rank` for the layers of a network that `targets` name, in the network's order. A
/// target that names no layer is an error, and so is one that names something else than a layer.
pub fn layout(network: &str, of: &Layout, targets: &[String], rank: i64) -> Result<Layout, String> {
    let mut layout = Layout::new();
    let mut used = vec![false; targets.len()];
    for (name, shape) in of {
        let Some(module) = name.strip_suffix(".weight") else { continue };
        let mut is_target = false;
        for (target, used) in targets.iter().zip(&mut used) {
            if is_named(module, target) {
                (is_target, *used) = (true, true);
            }
        }
        if !is_target {
            continue;
        }
        if shape.len() < 2 || module.ends_with("_embedding") {
            return Err(format!("`{network}.{module}` is neither a linear layer nor a convolution"));
        }
        let (mut down, mut up) = (shape.clone(), vec![1; shape.len()]);
        down[0] = rank;
        (up[0], up[1]) = (shape[0], rank);
        layout.push((format!("{network}.{module}.lora_A.weight"), down));
        layout.push((format!("{network}.{module}.lora_B.weight"), up));
    }
    match used.iter().position(|used| !used) {
        None => Ok(layout),
        Some(at) => Err(format!("target `{}` names no layer of the {network}", targets[at])),
    }
}

/// By the whole name, or by its last parts.
fn is_named(module: &str, target: &str) -> bool {
    module.strip_suffix(target).is_some_and(|front| front.is_empty() || front.ends_with('.')) && !target.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_whole_parts_of_a_name() {
        assert!(is_named("a.attn1.to_out.0", "to_out.0") && is_named("conv_in", "conv_in"));
        assert!(!is_named("a.auto_q", "to_q") && !is_named("a.to_q.x", "to_q") && !is_named("a.", ""));
    }
}
