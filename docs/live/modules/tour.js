// The tour: eight claims of the article. Each sets the sliders, says what to look for, what would refute
// it, and for how many of ten seeds it held when `node docs/live/claims.mjs` counted.

const START = { data: "moons", rows: 60, noise: 0.25, flip: 0.1, h1: 64, h2: 64, rate: 0.1, batch: 30 };

export const TOUR = [
  {
    name: "overfitting", shared: START, a: {}, b: { patience: 20 }, held: 10,
    en: {
      title: "Overfitting",
      says: "Weights can serve the training rows alone. The measure is the gap between the training score and the score on new rows.",
      look: "Network A: the boundary bends around single rows, and the loss on new rows rises. Network B stops early and has the smaller gap.",
      refuted: "a gap of network A that is not above 2 points.",
    },
    zh: {
      title: "过拟合",
      says: "权重可能只适合训练样本。衡量它的是训练得分与新样本得分之间的差距。",
      look: "网络 A 的边界绕过个别样本，新样本的损失上升。网络 B 早停，差距较小。",
      refuted: "网络 A 的差距没有超过 2 个百分点。",
    },
  },
  {
    name: "l2", shared: START, a: {}, b: { l2: 0.01 }, held: 10,
    en: {
      title: "L2, ½λw²",
      says: "Its gradient is λw: a large weight is pulled harder than a small one. Weights get small, and none becomes exactly zero.",
      look: "The histogram of network B is narrow and has no spike; its gap is smaller.",
      refuted: "a larger gap, a larger greatest weight, or many exact zeros.",
    },
    zh: {
      title: "L2，½λw²",
      says: "梯度是 λw：大的权重受到的拉力更大。权重变小，但不会精确为零。",
      look: "网络 B 的直方图变窄，没有尖峰；差距更小。",
      refuted: "差距更大，最大权重更大，或出现许多精确的零。",
    },
  },
  {
    name: "l1", shared: START, a: { l2: 0.01 }, b: { l1: 0.002 }, held: 10,
    en: {
      title: "L1, λ|w|",
      says: "Its pull is as strong for a small weight as for a large one, so that small weights become exactly zero.",
      look: "The spike at zero in network B: more than half of its weights. Network A, with L2, has none.",
      refuted: "fewer than half exact zeros in network B.",
    },
    zh: {
      title: "L1，λ|w|",
      says: "对小权重和大权重的拉力一样大，所以小权重会精确为零。",
      look: "网络 B 在零处的尖峰：超过一半的权重。使用 L2 的网络 A 没有。",
      refuted: "网络 B 中精确为零的权重不到一半。",
    },
  },
  {
    name: "elastic-net", shared: START, a: { l1: 0.002 }, b: { net1: 0.002, net2: 0.002 }, held: 10,
    en: {
      title: "Elastic net, λ₁|w| + λ₂w²",
      says: "It does both: zeros as with L1, and small weights as with L2.",
      look: "Network B keeps most of the zeros of network A, and its greatest weight is smaller.",
      refuted: "fewer than half exact zeros, or a greater weight than with L1 alone.",
    },
    zh: {
      title: "弹性网，λ₁|w| + λ₂w²",
      says: "兼有两者：像 L1 一样有零，像 L2 一样权重小。",
      look: "网络 B 保留了网络 A 的大部分零，最大权重更小。",
      refuted: "精确的零不到一半，或最大权重比只用 L1 时更大。",
    },
  },
  {
    name: "dropout", shared: START, a: {}, b: { keep: 0.5 }, held: 10,
    en: {
      title: "Dropout",
      says: "In each step a unit is kept with probability p. No unit can rely on another one to be there.",
      look: "The units of each step flicker in network B, and its gap is smaller. Press “Measure”: its units interact less.",
      refuted: "a gap or a co-adaptation of network B that is not smaller.",
    },
    zh: {
      title: "Dropout",
      says: "每一步以概率 p 保留一个单元。任何单元都不能指望另一个单元在场。",
      look: "网络 B 每一步的单元不断变化，差距更小。按“测量”：单元之间的交互作用也更小。",
      refuted: "网络 B 的差距或共适应没有变小。",
    },
  },
  {
    name: "scaling", shared: START, a: { keep: 0.5, scaling: "inverted" }, b: { keep: 0.5, scaling: "classic" }, held: 9,
    en: {
      title: "Inverted and classic scaling",
      says: "Classic dropout multiplies by p at prediction. Inverted dropout divides by p in training and does nothing at prediction, so that nobody can forget it.",
      look: "Both networks predict new rows about equally well.",
      refuted: "accuracies that differ by 5 points or more.",
    },
    zh: {
      title: "倒置缩放与经典缩放",
      says: "经典 Dropout 在预测时乘以 p。倒置 Dropout 在训练时除以 p，预测时什么也不做，因此不会被忘记。",
      look: "两个网络对新样本的预测差不多好。",
      refuted: "准确率相差 5 个百分点或更多。",
    },
  },
  {
    name: "drop-connect", shared: START, a: {}, b: { connectKeep: 0.6 }, held: 10,
    en: {
      title: "DropConnect",
      says: "It drops weights in place of units.",
      look: "The gap of network B is smaller.",
      refuted: "a gap of network B that is not smaller.",
    },
    zh: {
      title: "DropConnect",
      says: "去掉的是权重，而不是单元。",
      look: "网络 B 的差距更小。",
      refuted: "网络 B 的差距没有变小。",
    },
  },
  {
    name: "ensemble", shared: START, a: { keep: 0.5 }, b: { keep: 0.8 }, held: 9,
    en: {
      title: "An ensemble that shares weights",
      says: "Each mask names a subnetwork. One pass with all units approximates the average of the subnetworks.",
      look: "Press “Measure”: the average of many is better than a single subnetwork, and near the one pass with all units.",
      refuted: "an average below the mean single subnetwork, or 5 points away from the one pass.",
    },
    zh: {
      title: "共享权重的集成",
      says: "每个掩码对应一个子网络。用全部单元的一次前向，近似于子网络的平均。",
      look: "按“测量”：许多子网络的平均比单个子网络好，并接近全部单元的一次前向。",
      refuted: "平均不如单个子网络的均值，或与一次前向相差 5 个百分点。",
    },
  },
];
