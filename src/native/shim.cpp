// What tch does not bind, over libtorch's own kernels. Nothing else lives here.
//
// Tensors cross as tch's handles: pointers to at::Tensor that stay owned by Rust. Every entry catches C++ exceptions and
// returns their text (malloc'ed; the caller frees it with atelier_free) or null.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <c10/core/Event.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <torch/version.h>

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

namespace {

template <typename Body>
char* guarded(Body&& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown C++ exception");
  }
}

std::vector<at::Tensor> gather(at::Tensor* const* handles, size_t count) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(count);
  for (size_t i = 0; i < count; ++i) tensors.push_back(*handles[i]);
  return tensors;
}

struct ScopedNoGrad {
  c10::AutoGradMode mode{false};
};

}  // namespace

extern "C" {

void atelier_free(char* text) { std::free(text); }

// The libtorch whose headers this was compiled against.
const char* atelier_libtorch_version() { return TORCH_VERSION; }

// Load a shared library into the process, by the loader's usual search, for its static initialisers.
char* atelier_load_library(const char* name) {
  if (dlopen(name, RTLD_LAZY | RTLD_GLOBAL)) return nullptr;
  const char* reason = dlerror();
  return strdup(reason ? reason : "unknown reason");
}

// One Adam (decoupled = 0) or AdamW step over lists of equal length. `steps` are one-element float32 tensors that count
// the updates. Where `found_inf` (one float32 element) is 1, nothing changes.
char* atelier_fused_adam(at::Tensor* const* params, at::Tensor* const* grads, at::Tensor* const* exp_avgs,
                         at::Tensor* const* exp_avg_sqs, at::Tensor* const* steps, size_t count, double lr,
                         double beta1, double beta2, double weight_decay, double eps, int decoupled,
                         at::Tensor* found_inf) {
  return guarded([&] {
    ScopedNoGrad no_grad;
    auto p = gather(params, count), g = gather(grads, count), m = gather(exp_avgs, count),
         v = gather(exp_avg_sqs, count), s = gather(steps, count);
    if (count == 0) return;
    at::_foreach_add_(s, at::sub(at::ones_like(*found_inf), *found_inf));
    if (decoupled)
      at::_fused_adamw_(p, g, m, v, {}, s, lr, beta1, beta2, weight_decay, eps, false, false, {}, *found_inf);
    else
      at::_fused_adam_(p, g, m, v, {}, s, lr, beta1, beta2, weight_decay, eps, false, false, {}, *found_inf);
  });
}

// The global L2 norm of `grads`, left on their device; with max_norm > 0 they are scaled down to it in place.
char* atelier_clip_grad_norm(at::Tensor* const* grads, size_t count, double max_norm, at::Tensor** norm) {
  return guarded([&] {
    ScopedNoGrad no_grad;
    auto g = gather(grads, count);
    auto norms = at::_foreach_norm(g, 2);
    auto total = at::linalg_vector_norm(at::stack(norms), 2);
    if (max_norm > 0) {
      auto factor = at::clamp_max(at::mul(at::reciprocal(at::add(total, 1e-6)), max_norm), 1.0);
      at::_foreach_mul_(g, factor);
    }
    *norm = new at::Tensor(total);
  });
}

// a += b, element-wise over lists.
char* atelier_foreach_add(at::Tensor* const* a, at::Tensor* const* b, size_t count) {
  return guarded([&] {
    ScopedNoGrad no_grad;
    auto x = gather(a, count), y = gather(b, count);
    if (count) at::_foreach_add_(x, y);
  });
}

// a *= factor.
char* atelier_foreach_scale(at::Tensor* const* a, size_t count, double factor) {
  return guarded([&] {
    ScopedNoGrad no_grad;
    auto x = gather(a, count);
    if (count) at::_foreach_mul_(x, factor);
  });
}

// a += weight * (b - a).
char* atelier_foreach_lerp(at::Tensor* const* a, at::Tensor* const* b, size_t count, double weight) {
  return guarded([&] {
    ScopedNoGrad no_grad;
    auto x = gather(a, count), y = gather(b, count);
    if (count) at::_foreach_lerp_(x, y, weight);
  });
}

// TF32 for products of float32 tensors, in cuBLAS and cuDNN alike. It lowers precision to about three digits.
char* atelier_allow_tf32(int products, int convolutions) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(products != 0);
    at::globalContext().setAllowTF32CuDNN(convolutions != 0);
  });
}

// A copy of a CPU tensor in page-locked memory. (tch's own binding names a device, which libtorch warns about.)
char* atelier_pin_memory(at::Tensor* tensor, at::Tensor** pinned) {
  return guarded([&] { *pinned = new at::Tensor(tensor->pin_memory()); });
}

// Allocator statistics of an accelerator, in bytes: allocated, peak allocated, reserved, free and total memory.
char* atelier_memory(int index, int64_t* allocated, int64_t* peak, int64_t* reserved, int64_t* free_bytes,
                     int64_t* total) {
  return guarded([&] {
    auto stats = at::accelerator::getDeviceStats(static_cast<c10::DeviceIndex>(index));
    *allocated = stats.allocated_bytes[0].current;
    *peak = stats.allocated_bytes[0].peak;
    *reserved = stats.reserved_bytes[0].current;
    auto info = at::accelerator::getMemoryInfo(static_cast<c10::DeviceIndex>(index));
    *free_bytes = static_cast<int64_t>(info.first);
    *total = static_cast<int64_t>(info.second);
  });
}

char* atelier_reset_peak_memory(int index) {
  return guarded([&] { at::accelerator::resetPeakStats(static_cast<c10::DeviceIndex>(index)); });
}

// Give cached, unused device memory back to the driver.
char* atelier_empty_cache() {
  return guarded([&] { at::accelerator::emptyCache(); });
}

// An event that keeps time, on a CUDA device.
char* atelier_event_new(c10::Event** event) {
  return guarded([&] { *event = new c10::Event(c10::DeviceType::CUDA, c10::EventFlag::BACKEND_DEFAULT); });
}

void atelier_event_free(c10::Event* event) { delete event; }

// Record the event on the device's current stream.
char* atelier_event_record(c10::Event* event, int index) {
  return guarded([&] {
    c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    event->record(guard.getStream(c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index))));
  });
}

char* atelier_event_synchronize(const c10::Event* event) {
  return guarded([&] { event->synchronize(); });
}

char* atelier_event_elapsed_millis(const c10::Event* begin, const c10::Event* end, double* millis) {
  return guarded([&] { *millis = begin->elapsedTime(*end); });
}

}  // extern "C"
