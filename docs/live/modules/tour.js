// The tour: eight claims of the article. Each sets the sliders, says what to look for, what would refute
// it, and for how many of ten seeds it held when `node docs/live/claims.mjs` counted.

const START = { data: "moons", rows: 60, noise: 0.25, flip: 0.1, h1: 64, h2: 64, rate: 0.1, batch: 30 };

export const TOUR = [
  {
    name: "overfitting", shared: START, a: {}, b: { patience: 20 }, held: 10,
    en: {
      title: "Overfitting",
      says: "A network with enough weights can memorize its training rows, wrong labels included. The measure is the gap between the score on training rows and the score on new rows.",
      look: "Network A bends its boundary around single rows, and its loss on new rows rises. Network B stops early and has a smaller gap.",
      refuted: "an interval of network A that is not above 2 points, or a gap of network B that is not smaller.",
    },
    zh: {
      title: "过拟合",
      says: "权重足够多的网络，能把训练样本连同错误标签一起背下来。训练样本得分与新样本得分之间的差距，衡量的就是过拟合的程度。",
      look: "网络 A 的边界绕着个别样本弯曲，新样本的损失上升；网络 B 早停，差距较小。",
      refuted: "网络 A 的区间没有完全超过 2 个百分点，或网络 B 的差距不比 A 小。",
    },
  },
  {
    name: "l2", shared: START, a: {}, b: { l2: 0.01 }, held: 10,
    en: {
      title: "L2: ½λw²",
      says: "The gradient is λw, so a large weight is pulled harder than a small one. All weights shrink in proportion, and none becomes exactly zero.",
      look: "The histogram of network B is narrow and has no spike at zero. Its boundary is smoother, and its gap is smaller.",
      refuted: "a gap or a largest weight of network B that is not smaller, or at least 1 % exact zeros in it.",
    },
    zh: {
      title: "L2：½λw²",
      says: "梯度是 λw，权重越大，拉力越大。所有权重按比例缩小，但不会恰好变成零。",
      look: "网络 B 的直方图更窄，零处没有尖峰；边界更平滑，差距更小。",
      refuted: "网络 B 的差距或最大权重不比 A 小，或恰好为零的权重达到 1%。",
    },
  },
  {
    name: "l1", shared: START, a: { l2: 0.01 }, b: { l1: 0.002 }, held: 10,
    en: {
      title: "L1: λ|w|",
      says: "The pull on a small weight is as strong as on a large one, so small weights become exactly zero.",
      look: "The spike at zero of network B: more than half of its weights. Network A, with L2, has none.",
      refuted: "at most half exact zeros in network B, or at least 1 % in network A.",
    },
    zh: {
      title: "L1：λ|w|",
      says: "无论权重大小，拉力都一样大，所以小权重会恰好变成零。",
      look: "网络 B 的直方图在零处有尖峰，一半以上的权重恰好为零；使用 L2 的网络 A 没有尖峰。",
      refuted: "网络 B 恰好为零的权重不到一半，或网络 A 达到 1%。",
    },
  },
  {
    name: "elastic-net", shared: START, a: { l1: 0.002 }, b: { net1: 0.002, net2: 0.002 }, held: 10,
    en: {
      title: "Elastic net: λ₁|w| + λ₂w²",
      says: "The elastic net combines both penalties: exact zeros as with L1, and small weights as with L2.",
      look: "Network B has more than half exact zeros, as network A has with L1 alone, and its largest weight is smaller.",
      refuted: "at most half exact zeros in network B, or a largest weight that is not smaller than with L1 alone.",
    },
    zh: {
      title: "弹性网络：λ₁|w| + λ₂w²",
      says: "弹性网络把两种惩罚结合起来：像 L1 一样产生零，又像 L2 一样让权重变小。",
      look: "网络 B 和只用 L1 的网络 A 一样，一半以上的权重恰好为零，而最大权重更小。",
      refuted: "网络 B 恰好为零的权重不到一半，或最大权重不比只用 L1 时小。",
    },
  },
  {
    name: "dropout", shared: START, a: {}, b: { keep: 0.5 }, held: 10,
    en: {
      title: "Dropout",
      says: "In each step, every unit is kept with probability p. So no unit can rely on a certain other unit.",
      look: "Different units of network B drop out in each step, and its gap is smaller. Press “Measure”: its co-adaptation is smaller too.",
      refuted: "a gap or a co-adaptation of network B that is not smaller.",
    },
    zh: {
      title: "Dropout",
      says: "每一步，每个单元以概率 p 保留。因此任何单元都不能依赖某个特定的单元。",
      look: "网络 B 每一步去掉的单元都不同，差距更小。按“测量”：共适应也更小。",
      refuted: "网络 B 的差距或共适应不比 A 小。",
    },
  },
  {
    name: "scaling", shared: START, a: { keep: 0.5, scaling: "inverted" }, b: { keep: 0.5, scaling: "classic" }, held: 9,
    en: {
      title: "Classic and inverted scaling",
      says: "Classic dropout multiplies by p at prediction. Inverted dropout divides by p in training instead, so prediction needs no change.",
      look: "Both networks predict new rows about equally well. Press “Measure” to see the loss of a pass that is scaled wrongly.",
      refuted: "accuracies on new rows that differ by 5 points or more.",
    },
    zh: {
      title: "经典缩放与反向缩放",
      says: "经典 Dropout 在预测时乘以 p；反向 Dropout 改为在训练时除以 p，预测时什么都不用做。",
      look: "两个网络对新样本的预测差不多好。按“测量”，可以看到缩放用错时的损失。",
      refuted: "两个网络在新样本上的准确率相差 5 个百分点或更多。",
    },
  },
  {
    name: "drop-connect", shared: START, a: {}, b: { connectKeep: 0.6 }, held: 10,
    en: {
      title: "DropConnect",
      says: "DropConnect drops single weights instead of whole units.",
      look: "All units of network B are kept, but in each step only about 60 % of its weights. Its gap is smaller.",
      refuted: "a gap of network B that is not smaller.",
    },
    zh: {
      title: "DropConnect",
      says: "DropConnect 去掉的是单个权重，而不是整个单元。",
      look: "网络 B 的单元全部保留，但每一步只保留约 60% 的权重；差距更小。",
      refuted: "网络 B 的差距不比 A 小。",
    },
  },
  {
    name: "ensemble", shared: START, a: { keep: 0.5 }, b: { keep: 0.8 }, held: 9,
    en: {
      title: "An ensemble that shares weights",
      says: "Each mask chooses a subnetwork. One pass with all units approximates the average of all subnetworks.",
      look: "Press “Measure” and look at network A: the average of 30 subnetworks is better than their mean by themselves, and close to the one pass with all units.",
      refuted: "an average of network A that is not better than that mean, or 5 points or more away from the one pass.",
    },
    zh: {
      title: "共享权重的集成",
      says: "每个掩码选出一个子网络。用全部单元做一次前向计算，近似于所有子网络的平均。",
      look: "按“测量”，看网络 A：30 个子网络的集成，比它们单独预测的均值更准，并接近全部单元的一次前向。",
      refuted: "网络 A 的集成不比均值更准，或与一次前向相差 5 个百分点或更多。",
    },
  },
];
