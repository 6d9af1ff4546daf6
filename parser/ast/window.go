package ast

// WindowDef is name AS (spec), in the WINDOW clause.
type WindowDef struct {
	Span
	Name Ident
	Spec *WindowSpec
}

// WindowSpec is name | ([base] [PARTITION BY …] [ORDER BY …] [frame])
type WindowSpec struct {
	Span
	Ref         Ident // OVER name: then nothing else is set
	Base        Ident
	PartitionBy []Expr
	OrderBy     []*OrderItem
	Frame       *Frame
}

// FrameUnit is ROWS, RANGE or GROUPS.
type FrameUnit int

const (
	FrameRange FrameUnit = iota
	FrameRows
	FrameGroups
)

// FrameExclude is what EXCLUDE takes out of a frame.
type FrameExclude int

const (
	ExcludeNoOthers FrameExclude = iota
	ExcludeCurrentRow
	ExcludeGroup
	ExcludeTies
)

// Frame is unit start | unit BETWEEN start AND end [EXCLUDE …]
type Frame struct {
	Span
	Unit       FrameUnit
	From       *FrameBound
	To         *FrameBound // nil without BETWEEN: the current row
	Exclude    FrameExclude
	HasExclude bool
}

// BoundKind is the kind of a frame bound.
type BoundKind int

const (
	UnboundedPreceding BoundKind = iota
	OffsetPreceding
	CurrentRow
	OffsetFollowing
	UnboundedFollowing
)

// FrameBound is UNBOUNDED PRECEDING | expr PRECEDING | CURRENT ROW | expr FOLLOWING | UNBOUNDED FOLLOWING
type FrameBound struct {
	Span
	Kind   BoundKind
	Offset Expr
}

func (n *WindowDef) children(visit func(Node)) {
	visitOne(visit, n.Spec)
}

func (n *WindowSpec) children(visit func(Node)) {
	visitAll(visit, n.PartitionBy)
	visitAll(visit, n.OrderBy)
	visitOne(visit, n.Frame)
}

func (n *Frame) children(visit func(Node)) {
	visitOne(visit, n.From)
	visitOne(visit, n.To)
}

func (n *FrameBound) children(visit func(Node)) {
	visitAny(visit, n.Offset)
}
