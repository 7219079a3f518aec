//! One layer of a block: what gradient checkpointing keeps the inputs of.

use tch::{TchError, Tensor};

use super::Pass;
use crate::models::stable_diffusion::blocks::{resnet, transformer};
use crate::models::stable_diffusion::config::UNetConfig;
use crate::models::stable_diffusion::lora::Prepared;
use crate::models::stable_diffusion::net::Net;
use crate::models::tap::tap;
use crate::native::checkpoint::checkpoint;

/// A residual block, and the attention that follows it where there is one. In the middle the attention follows the first
/// residual block.
#[derive(Debug, Clone)]
pub struct Layer {
    resnet: String,
    attention: Option<(String, transformer::Shape)>,
}

impl Layer {
    /// Layer `index` of the block `key`.
    pub fn new(config: &UNetConfig, key: &str, index: usize, level: usize, attends: bool) -> Self {
        let attention = || (format!("{key}.attentions.{index}"), transformer::Shape::of(config, level));
        Self { resnet: format!("{key}.resnets.{index}"), attention: attends.then(attention) }
    }

    fn forward(
        &self,
        net: &Net<'_>,
        norms: resnet::Norms,
        x: &Tensor,
        time: &Tensor,
        context: &Tensor,
    ) -> Result<Tensor, TchError> {
        let h = resnet::forward(net, &self.resnet, x, Some(time), norms)?;
        match &self.attention {
            Some((key, shape)) => transformer::forward(net, key, &h, context, *shape),
            None => Ok(h),
        }
    }

    /// Its last part's key.
    pub fn key(&self) -> &str {
        self.attention.as_ref().map_or(&self.resnet, |(key, _)| key)
    }

    fn prefixes(&self) -> Vec<String> {
        let attention = self.attention.iter().map(|(key, _)| key);
        std::iter::once(&self.resnet).chain(attention).map(|key| format!("{key}.")).collect()
    }
}

impl Pass<'_> {
    /// `[B, in, h, w]`, joined with `skip` where there is one → `[B, out, h, w]`.
    pub fn layer(&self, layer: &Layer, x: &Tensor, skip: Option<&Tensor>) -> Result<Tensor, TchError> {
        let h = if self.gradient_checkpointing {
            self.checkpointed(layer, x, skip)?
        } else {
            layer.forward(&self.net, self.norms, &join(x, skip)?, &self.time, &self.context)?
        };
        tap(super::NETWORK, format_args!("{}", layer.key()), &h);
        Ok(h)
    }

    /// The same, as a segment of the graph that owns what it needs: views of its parameters. What gradients are taken
    /// for goes in by its inputs.
    fn checkpointed(&self, layer: &Layer, x: &Tensor, skip: Option<&Tensor>) -> Result<Tensor, TchError> {
        let prefixes = layer.prefixes();
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        let params = self.net.params.part(&prefixes);
        let (mut names, mut tensors) = self.net.adapters.part(&prefixes);
        // A network that is trained whole: its parameters go in as what stands in for them.
        for (name, tensor) in params.iter().filter(|(_, tensor)| tensor.requires_grad()) {
            names.replaced.push(name.to_owned());
            tensors.push(tensor.shallow_clone());
        }
        let count = tensors.len();
        let mut inputs = vec![x.shallow_clone(), self.time.shallow_clone(), self.context.shallow_clone()];
        inputs.extend(tensors);
        inputs.extend(skip.map(Tensor::shallow_clone));
        let (layer, norms) = (layer.clone(), self.norms);
        checkpoint(&inputs, move |inputs| {
            let (tensors, skip) = inputs[3..].split_at(count);
            let net = Net { params: &params, adapters: &Prepared::of(&names, tensors) };
            layer.forward(&net, norms, &join(&inputs[0], skip.first())?, &inputs[1], &inputs[2])
        })
    }
}

fn join(x: &Tensor, skip: Option<&Tensor>) -> Result<Tensor, TchError> {
    match skip {
        Some(skip) => Tensor::f_cat(&[x, skip], 1),
        None => Ok(x.shallow_clone()),
    }
}
