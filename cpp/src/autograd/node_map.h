// A map from nodes to values for one backward pass.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace verigrad {

class Node;

/// Values in the order of their insertion, in one block: unlike std::unordered_map, freeing it takes no time beside the
/// pass, which matters when Ctrl-C ends one over millions of nodes. References last until the next insertion.
template <class Value>
class NodeMap {
 public:
  using Entry = std::pair<Node*, Value>;
  using iterator = typename std::vector<Entry>::iterator;

  iterator begin() { return entries_.begin(); }
  iterator end() { return entries_.end(); }
  /// The entry of `node`, made if there is none, and whether it was made.
  std::pair<iterator, bool> try_emplace(Node* node) {
    if (2 * (entries_.size() + 1) > slots_.size()) grow();
    std::uint32_t& slot = slots_[place(node)];
    const bool fresh = slot == 0;
    if (fresh) {
      entries_.emplace_back(node, Value());
      slot = static_cast<std::uint32_t>(entries_.size());
    }
    return {begin() + (slot - 1), fresh};
  }
  iterator find(Node* node) {
    const std::uint32_t number = slots_.empty() ? 0 : slots_[place(node)];
    return number == 0 ? end() : begin() + (number - 1);
  }
  /// The value of a node that is there.
  Value& at(Node* node) { return find(node)->second; }

 private:
  /// Where `node` is, or would be.
  std::size_t place(const Node* node) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = (reinterpret_cast<std::uintptr_t>(node) * 0x9E3779B97F4A7C15ULL) >> shift_;
    while (slots_[i] != 0 && entries_[slots_[i] - 1].first != node) i = (i + 1) & mask;
    return i;
  }
  void grow() {
    slots_.assign(slots_.empty() ? 32 : 2 * slots_.size(), 0);
    shift_ = slots_.size() == 32 ? 64 - 5 : shift_ - 1;
    entries_.reserve(slots_.size() / 2);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      slots_[place(entries_[i].first)] = static_cast<std::uint32_t>(i + 1);
    }
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // open addressing: 1 + the index of an entry, 0 where there is none
  int shift_ = 0;                     // a hash's top bits are the first place to look
};

}  // namespace verigrad
