// A guard of CUDA devices that are not there, so that a build of torch for the CPU accepts tensors on them.
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace c10::impl {

struct SimulatedGuard final : public DeviceGuardImplInterface {
  static constexpr DeviceType CUDA = DeviceType::CUDA;
  DeviceType type() const override { return CUDA; }
  Device exchangeDevice(Device) const override { return Device(CUDA, 0); }
  Device getDevice() const override { return Device(CUDA, 0); }
  void setDevice(Device) const override {}
  void uncheckedSetDevice(Device) const noexcept override {}
  Stream getStream(Device) const override { return Stream(Stream::DEFAULT, Device(CUDA, 0)); }
  Stream getNewStream(Device, int) const override { return Stream(Stream::DEFAULT, Device(CUDA, 0)); }
  Stream exchangeStream(Stream) const override { return Stream(Stream::DEFAULT, Device(CUDA, 0)); }
  DeviceIndex deviceCount() const noexcept override { return 2; }
};

static SimulatedGuard guard;

struct Registration {
  Registration() { device_guard_impl_registry[static_cast<size_t>(DeviceType::CUDA)].store(&guard); }
};

static Registration registration;

}  // namespace c10::impl
