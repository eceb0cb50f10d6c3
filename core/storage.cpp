#include "core/storage.h"

#include "core/allocator.h"

namespace fovea {

std::shared_ptr<Storage> Storage::allocate(Device device, std::size_t bytes) {
    void* data = allocator::allocate(device, bytes);
    return std::shared_ptr<Storage>(new Storage(device, data, bytes));
}

Storage::~Storage() { allocator::release(device_, data_, bytes_); }

}  // namespace fovea
