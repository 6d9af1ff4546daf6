package ast

// Children calls visit with each child of n, in the order of n's fields, which
// is nearly that of the text. Names that are plain Idents are not visited.
func Children(n Node, visit func(Node)) { n.children(visit) }

// Inspect calls f with n and, where f returns true, with everything below it.
func Inspect(n Node, f func(Node) bool) {
	if n == nil || !f(n) {
		return
	}
	n.children(func(c Node) { Inspect(c, f) })
}

// visitOne is for fields of a pointer type, whose nil would not be a nil Node.
func visitOne[T any, P interface {
	*T
	Node
}](visit func(Node), p P) {
	if p != nil {
		visit(p)
	}
}

func visitAny[T Node](visit func(Node), n T) {
	if any(n) != nil {
		visit(n)
	}
}

func visitAll[T Node](visit func(Node), list []T) {
	for _, n := range list {
		visitAny(visit, n)
	}
}
