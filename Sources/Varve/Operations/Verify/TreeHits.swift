import VarveFormat

/// Which trees and lists lead to something that cannot be restored. Each is judged once, after all that it names.
struct TreeHits {
    fileprivate struct Step {
        let place: Int
        var next = 0
        var hit: DamageMap.Hit
        var length: UInt64 = 0
    }

    private static let isJudged: UInt8 = 0x80

    let graph: TreeGraph
    let damage: DamageMap
    private var states: [UInt8]
    /// Bytes of the files that lists stand for.
    private var listLengths: [Int: UInt64] = [:]

    init(_ graph: TreeGraph, _ damage: DamageMap) {
        self.graph = graph
        self.damage = damage
        states = [UInt8](repeating: 0, count: graph.nodes.count)
    }

    /// What the loss of a tree or list itself comes from, whatever is below it.
    func own(_ place: Int) -> DamageMap.Hit {
        let hit = damage.hit(place, .treePack)
        guard hit.isEmpty else { return hit }
        return graph.nodes[place].kind == .malformed || graph.nodes[place].kind == .unread ? .damaged : []
    }

    /// Whether one may name the other, by kind and level (FORMAT.md section 9).
    func mayName(_ parent: Int, _ child: Int) -> Bool {
        let parent = graph.nodes[parent]
        let child = graph.nodes[child]
        switch (parent.kind, child.kind) {
        case (.tree, .tree), (.tree, .list), (.tree, .treeList): return true
        case (.rootTree, .tree), (.rootTree, .treeList): return true
        case (.list, .list), (.treeList, .treeList): return child.level + 1 == parent.level
        case (.treeList, .tree): return parent.level == 0
        default: return false
        }
    }

    /// What was judged of a tree or list and all below it.
    func known(_ place: Int) -> DamageMap.Hit { DamageMap.Hit(rawValue: states[place] & ~Self.isJudged) }

    /// Bytes of the file that a whole list stands for.
    func length(ofList place: Int) -> UInt64? { listLengths[place] }

    /// Judges a tree with all below it.
    mutating func judge(_ root: Int) -> DamageMap.Hit {
        var stack: [Step] = []
        if states[root] == 0 { push(root, &stack) }
        while var step = stack.popLast() {
            if let child = advance(&step) {
                stack.append(step)
                push(child, &stack)
            } else {
                finish(step)
            }
        }
        return known(root)
    }

    private mutating func push(_ place: Int, _ stack: inout [Step]) {
        // Judged as nothing until it is done: only a forged repository could lead back here.
        states[place] = Self.isJudged
        stack.append(Step(place: place, hit: own(place)))
    }

    /// Takes in what a tree or list names, up to something that is not judged yet, which is returned.
    private func advance(_ step: inout Step) -> Int? {
        let references = graph.references(of: graph.nodes[step.place])
        while step.next < references.count {
            switch references[references.startIndex + step.next].target {
            case .data(let place):
                step.hit.formUnion(damage.hit(place, .dataPack))
                step.add(UInt64(damage.inventory.data.length(place)))
            case .absent: step.hit.formUnion(damage.absentHit)
            case .tree(let place):
                if states[place] == 0 { return place }
                step.hit.formUnion(known(place))
                if own(place).isEmpty, !mayName(step.place, place) { step.hit.insert(.damaged) }
                if let length = listLengths[place] { step.add(length) }
            }
            step.next += 1
        }
        return nil
    }

    private mutating func finish(_ step: Step) {
        var hit = step.hit
        let node = graph.nodes[step.place]
        if node.kind == .list { listLengths[step.place] = step.length }
        if node.hasFault { hit.insert(.damaged) }
        for file in graph.listedFiles[step.place] ?? [] where known(file.list).isEmpty {
            if listLengths[file.list] != file.size { hit.insert(.damaged) }
        }
        states[step.place] = Self.isJudged | hit.rawValue
    }
}

extension TreeHits.Step {
    /// Adds to the length; what overflows is no size of any file.
    fileprivate mutating func add(_ count: UInt64) {
        let sum = length.addingReportingOverflow(count)
        length = sum.overflow ? .max : sum.partialValue
    }
}
