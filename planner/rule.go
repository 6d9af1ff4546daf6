package planner

// rewrite applies the rules in their order: subqueries become joins first, so
// that what they compare can be pushed down and pruned like the rest.
func (b *builder) rewrite(n Node) (Node, error) {
	n = b.foldConstants(n)
	n = b.factor(n)
	n = b.filterInputs(n)
	n = b.decorrelate(n)
	n = b.pushDown(n)
	n = b.uniqueSemi(n)
	n = b.orderJoins(n)
	n = b.joinKeys(n)
	n = prune(n)
	return n, nil
}
