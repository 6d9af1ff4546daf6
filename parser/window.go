package parser

import "weir/parser/ast"

// windows reads name AS (spec), …
func (p *Parser) windows() []*ast.WindowDef {
	var list []*ast.WindowDef
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		d := &ast.WindowDef{Name: p.colID()}
		p.expect("as")
		if !p.atOp("(") {
			p.fail()
		}
		d.Spec = p.windowSpec()
		d.Span = p.span(t)
		list = append(list, d)
	}
	return list
}

// windowSpec reads name | ([base] [PARTITION BY …] [ORDER BY …] [frame])
func (p *Parser) windowSpec() *ast.WindowSpec {
	t := p.tok
	w := &ast.WindowSpec{}
	if !p.acceptOp("(") {
		w.Ref = p.colID()
		w.Span = p.span(t)
		return w
	}
	defer p.inside()()
	if p.tok.isColID() && !p.at("partition", "by") && !p.atFrame() {
		w.Base = p.colID()
	}
	if p.accept("partition") {
		p.expect("by")
		w.PartitionBy = p.exprList()
	}
	if p.at("order") {
		w.OrderBy = p.orderBy()
	}
	if p.atAny("rows", "range", "groups") {
		w.Frame = p.frame()
	}
	p.expectOp(")")
	w.Span = p.span(t)
	return w
}

// atFrame: these words are names too, but not where a frame may begin.
func (p *Parser) atFrame() bool { return p.atAny("rows", "range", "groups") }

var frameUnits = map[string]ast.FrameUnit{"rows": ast.FrameRows, "range": ast.FrameRange, "groups": ast.FrameGroups}

// frame reads unit bound | unit BETWEEN bound AND bound [EXCLUDE …]
func (p *Parser) frame() *ast.Frame {
	t := p.next()
	f := &ast.Frame{Unit: frameUnits[t.name]}
	if p.accept("between") {
		f.From = p.frameBound()
		p.expect("and")
		f.To = p.frameBound()
	} else {
		f.From = p.frameBound()
	}
	if p.accept("exclude") {
		f.HasExclude = true
		f.Exclude = p.frameExclude()
	}
	f.Span = p.span(t)
	return f
}

func (p *Parser) frameExclude() ast.FrameExclude {
	switch p.expectAny("current", "group", "ties", "no") {
	case "current":
		p.expect("row")
		return ast.ExcludeCurrentRow
	case "group":
		return ast.ExcludeGroup
	case "ties":
		return ast.ExcludeTies
	}
	p.expect("others")
	return ast.ExcludeNoOthers
}

func (p *Parser) frameBound() *ast.FrameBound {
	t := p.tok
	b := &ast.FrameBound{}
	switch {
	case p.accept("unbounded"):
		b.Kind = ast.UnboundedPreceding
		if p.expectAny("preceding", "following") == "following" {
			b.Kind = ast.UnboundedFollowing
		}
	case p.accept("current", "row"):
		b.Kind = ast.CurrentRow
	default:
		b.Kind = ast.OffsetPreceding
		b.Offset = p.expr()
		if p.expectAny("preceding", "following") == "following" {
			b.Kind = ast.OffsetFollowing
		}
	}
	b.Span = p.span(t)
	return b
}
