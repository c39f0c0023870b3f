#pragma once

namespace pretrain::models {

/// Bandwidth of the links of one device, one direction, B/s; 0: there is none.
struct Links {
  double near = 0;   ///< to the devices of its scale-up domain
  double far = 0;    ///< its share of what leaves the node
  double wired = 0;  ///< devices that wires join pair by pair, each pair alike; 0: by a switch
};

/// Bandwidth among so many devices of a domain, B/s. Without a switch, the wires to the others
/// idle.
double rate_among(double devices, const Links& links);

/// Ranks of a group, and how many of them share a scale-up domain.
struct Group {
  double ranks = 1;
  double near = 1;

  double domains() const { return ranks / near; }
};

/// The group of `ranks` that stand `stride` devices apart, in domains of so many devices.
Group group_of(double ranks, double stride, double domain);

/// Time in which each rank gets `bytes` of which it had its share (gather), or the reverse, adding
/// up (scatter), s. An all-reduce is both.
///
/// @eq      step.collective
/// @source  thakur-2005, Sec. 4; nccl-tests, doc/PERFORMANCE.md   ring: (n - 1) / n of the bytes
/// pass
///          each link; between nodes run as many rings as a node has ranks in the group
/// @assumes rings through all network cards, and over all wires among the ranks of a domain; the
/// slower of both kinds of links sets the pace
double gather_time(double bytes, const Group& group, const Links& links);

/// Time to send `bytes` of a rank in equal parts to all ranks, s.
///
/// @eq      step.all_to_all
/// @derived what stays in the domain over its links, then the rest over the network; a token goes
///          once to each domain that has one of its k experts: n (1 - (1 - 1 / n)^k) of n domains
double exchange_time(double bytes, double copies, const Group& group, const Links& links);

/// The larger of two times, smooth where they meet: (x^3 + y^3)^(1/3).
double larger(double x, double y);

}  // namespace pretrain::models
