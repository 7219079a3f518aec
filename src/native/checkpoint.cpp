// Gradient checkpointing: a node of the autograd graph that keeps its inputs alone, and runs its segment again when its
// gradient is asked for. tch binds no way to add a node.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/edge.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using torch::autograd::Edge;
using torch::autograd::Engine;
using torch::autograd::variable_list;

// A Rust closure. `run` gets `count` borrowed tensors and stores one that we own; it returns null, or text to free.
struct Closure {
  using Run = char* (*)(void* context, const at::Tensor* const* inputs, size_t count, at::Tensor** output);
  Run run;
  void (*release)(void* context);
  void* context;

  Closure(Run run, void (*release)(void*), void* context) : run(run), release(release), context(context) {}
  Closure(const Closure&) = delete;
  Closure& operator=(const Closure&) = delete;
  ~Closure() { release(context); }

  at::Tensor operator()(const variable_list& inputs) const {
    std::vector<const at::Tensor*> handles;
    for (const auto& input : inputs) handles.push_back(&input);
    at::Tensor* output = nullptr;
    if (char* text = run(context, handles.data(), handles.size(), &output)) {
      std::string what(text);
      std::free(text);
      throw std::runtime_error(what);
    }
    std::unique_ptr<at::Tensor> owned(output);
    return *owned;
  }
};

// The states of the generators that a segment on `device` draws from.
class Generators {
 public:
  static Generators now(c10::Device device) {
    Generators found;
    for (const auto& at : devices(device)) {
      auto generator = at::globalContext().defaultGenerator(at);
      std::lock_guard<std::mutex> lock(generator.mutex());
      found.states_.push_back(generator.get_state());
    }
    return found;
  }

  void restore(c10::Device device) const {
    size_t index = 0;
    for (const auto& at : devices(device)) {
      auto generator = at::globalContext().defaultGenerator(at);
      std::lock_guard<std::mutex> lock(generator.mutex());
      generator.set_state(states_[index++]);
    }
  }

 private:
  static std::vector<c10::Device> devices(c10::Device device) {
    std::vector<c10::Device> all{c10::Device(c10::kCPU)};
    if (!device.is_cpu()) all.push_back(device);
    return all;
  }

  std::vector<at::Tensor> states_;
};

// Puts the generators back as they were, whatever happens between.
class Rewound {
 public:
  Rewound(const Generators& to, c10::Device device) : before_(Generators::now(device)), device_(device) {
    to.restore(device);
  }
  ~Rewound() { before_.restore(device_); }

 private:
  Generators before_;
  c10::Device device_;
};

class Segment : public torch::autograd::Node {
 public:
  Segment(std::unique_ptr<Closure> closure, variable_list inputs, Generators generators)
      : closure_(std::move(closure)), inputs_(std::move(inputs)), generators_(std::move(generators)) {}

  std::string name() const override { return "AtelierCheckpoint"; }

  void release_variables() override { inputs_.clear(); }

  variable_list apply(variable_list&& gradients) override {
    std::lock_guard<std::mutex> lock(mutex_);
    TORCH_CHECK(!inputs_.empty(), "the graph was freed already: a second pass back needs keep_graph");
    variable_list result(inputs_.size());
    if (!gradients[0].defined()) return result;
    c10::AutoGradMode recorded(true);
    variable_list leaves;
    std::vector<Edge> edges;
    std::vector<size_t> places;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      auto leaf = inputs_[i].detach();
      if (task_should_compute_output(i)) {
        leaf.set_requires_grad(true);
        edges.push_back(torch::autograd::impl::gradient_edge(leaf));
        places.push_back(i);
      }
      leaves.push_back(std::move(leaf));
    }
    at::Tensor output;
    {
      Rewound rewound(generators_, inputs_[0].device());
      output = (*closure_)(leaves);
    }
    if (!output.requires_grad()) return result;  // it does not depend on what gradients are asked for
    auto found = Engine::get_default_engine().execute({torch::autograd::impl::gradient_edge(output)}, {gradients[0]},
                                                      false, false, false, edges);
    for (size_t i = 0; i < places.size(); ++i) result[places[i]] = std::move(found[i]);
    return result;
  }

 private:
  std::unique_ptr<Closure> closure_;
  variable_list inputs_;
  Generators generators_;
};

}  // namespace

extern "C" {

// Run a segment without a graph; where one is being recorded and an input is part of it, join the output to it by one
// node. Takes `context`, also when it fails.
char* atelier_checkpoint(at::Tensor* const* handles, size_t count, Closure::Run run, void (*release)(void*),
                         void* context, at::Tensor** output) {
  try {
    auto closure = std::make_unique<Closure>(run, release, context);
    variable_list inputs;
    for (size_t i = 0; i < count; ++i) inputs.push_back(*handles[i]);
    TORCH_CHECK(!inputs.empty(), "a segment needs an input");
    bool recording = c10::GradMode::is_enabled() && torch::autograd::any_variable_requires_grad(inputs);
    auto generators = Generators::now(inputs[0].device());
    at::Tensor value;
    {
      c10::AutoGradMode silent(false);
      // Its own: an output that is an input, or a view of one, cannot get a history.
      value = (*closure)(inputs).detach();
    }
    if (recording) {
      auto edges = torch::autograd::collect_next_edges(inputs);
      std::shared_ptr<Segment> node(new Segment(std::move(closure), std::move(inputs), std::move(generators)),
                                    torch::autograd::deleteNode);
      node->set_next_edges(std::move(edges));
      torch::autograd::create_gradient_edge(value, node);
    }
    *output = new at::Tensor(std::move(value));
    return nullptr;
  } catch (const c10::Error& error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown C++ exception");
  }
}

}  // extern "C"
