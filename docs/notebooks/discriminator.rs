// %% [markdown]
// # Is the discriminator winning?
// LSGAN: a discriminator that has won says 1 of targets and 0 of predictions, so that its two losses go to zero while the
// generator's adversarial term goes to 1. One that has given up says a half of both: all stay at a quarter. That is for
// each of its scales; what is recorded is their sum.
// %%
let r = run("latest");
let scales = 2.0; // pix2pixhd.discriminator.num_d
let m = r.metrics();
m.last(5)
// %% its losses on targets and on predictions
let real = m.series("loss/d_real").ema(0.98);
let fake = m.series("loss/d_fake").ema(0.98);
let g = m.series("loss/g_gan").ema(0.98);
plot(&[&real, &fake, &g]).title("who wins").labels("step", "loss, ema .98")
// %% in words
let margin = 0.5 * (real.last() + fake.last()) / scales;
println!("D on targets {:.3}, on predictions {:.3}; G's adversarial term {:.3}", real.last(), fake.last(), g.last());
println!("{}", match margin {
    loss if loss < 0.05 => "The discriminator has won: lower its learning rate (ttur = false, or a smaller lr), or add noise.",
    loss if loss > 0.22 => "The discriminator says a half of everything: it learns nothing any more, or has met its match.",
    _ => "Neither has won.",
});
// %% gradients that reach each side
m.plot("grad_norm/*").log_y()
