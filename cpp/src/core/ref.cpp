#include "verigrad/ref.h"

#include <vector>

namespace verigrad {

void RefCounted::destroy_in_turn() {
  // A long chain must not be freed by recursion: while one object is being deleted on this thread, the others queue up.
  thread_local std::vector<RefCounted*>* pending = nullptr;
  if (pending) {
    pending->push_back(this);
    return;
  }
  std::vector<RefCounted*> queue;
  pending = &queue;
  delete this;
  while (!queue.empty()) {
    RefCounted* next = queue.back();
    queue.pop_back();
    delete next;
  }
  pending = nullptr;
}

}  // namespace verigrad
