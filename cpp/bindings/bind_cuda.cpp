// CUDA devices: what verigrad.cuda is made of.
#include "core/backend.h"
#include "python.h"

namespace verigrad::bindings {
namespace {

Device cuda(int index) {
  VG_CHECK(index >= 0 && index <= INT8_MAX, RuntimeError, "cuda: expected a device index from 0 to ", INT8_MAX,
           ", got ", index);
  return {DeviceType::CUDA, static_cast<std::int8_t>(index)};
}

/// A function of the backend: f(index, arguments...), with the index checked and without Python's lock.
template <class R, class... Args>
void def(py::module_& m, const char* name, R (*Backend::*function)(int, Args...)) {
  m.def(name, [function](int index, Args... args) -> R {
    const py::gil_scoped_release unlocked;
    return (backend(cuda(index)).*function)(index, args...);
  });
}

}  // namespace

void bind_cuda(py::module_& m) {
  py::module_ sub = m.def_submodule("_cuda", "The backend of CUDA devices.");
  sub.def("device_count", [] { return device_count(DeviceType::CUDA); });
  sub.def("current_device", [] {
    backend(cuda(current_index()));
    return current_index();
  });
  sub.def("set_device", [](int index) {
    cuda(index);
    set_current_index(index);
  });
  sub.def("default_generator", [](int index) {
    backend(cuda(index));
    return default_generator(cuda(index));
  });
  sub.def("seed_devices", &seed_devices, "Of those as well that nobody has asked for yet.");
  def(sub, "synchronize", &Backend::synchronize);
  sub.def("empty_cache", [] {
    if (device_count(DeviceType::CUDA) > 0) backend(cuda(0)).empty_cache();
  });
  sub.def("memory", [](int index) {
    const MemoryUse use = backend(cuda(index)).memory(index);
    return py::make_tuple(use.allocated, use.max_allocated, use.reserved);
  });
  def(sub, "reset_peak", &Backend::reset_peak);
  sub.def("properties", [](int index) {
    const DeviceProperties p = backend(cuda(index)).properties(index);
    return py::make_tuple(std::string(p.name), p.major, p.minor, p.multi_processor_count, p.total_memory);
  });
  def(sub, "new_stream", &Backend::new_stream);
  def(sub, "delete_stream", &Backend::delete_stream);
  def(sub, "current_stream", &Backend::current_stream);
  def(sub, "set_stream", &Backend::set_stream);
  def(sub, "stream_done", &Backend::stream_done);
  def(sub, "wait_stream", &Backend::wait_stream);
  def(sub, "new_event", &Backend::new_event);
  def(sub, "delete_event", &Backend::delete_event);
  def(sub, "record_event", &Backend::record_event);
  def(sub, "stream_waits", &Backend::stream_waits);
  def(sub, "event_done", &Backend::event_done);
  def(sub, "wait_event", &Backend::wait_event);
  def(sub, "elapsed", &Backend::elapsed);
}

}  // namespace verigrad::bindings
