package parser

import "weir/parser/ast"

// alterAction reads one action of ALTER TABLE and its like.
func (p *Parser) alterAction() *ast.AlterAction {
	t := p.tok
	a := &ast.AlterAction{}
	switch p.expectAny("add", "drop", "alter", "validate", "set", "reset", "owner", "rename", "inherit", "no", "cluster", "enable", "disable", "force", "replica") {
	case "add":
		p.addAction(a)
	case "drop":
		p.dropAction(a)
	case "alter":
		p.alterSubAction(a)
	case "validate":
		p.expect("constraint")
		a.Kind, a.Name = ast.ValidateConstraint, p.colID()
	case "set":
		p.setAction(a)
	case "reset":
		a.Kind, a.Options = ast.ResetOptions, p.relOptions()
	case "owner":
		p.expect("to")
		a.Kind, a.Name = ast.OwnerTo, p.role()
	case "rename":
		p.renameAction(a)
	case "inherit":
		a.Kind, a.Parent = ast.InheritFrom, p.name()
	case "cluster":
		p.expect("on")
		a.Kind, a.Name = ast.ClusterOn, p.colID()
	default:
		p.switchAction(a, t.name)
	}
	a.Span = p.span(t)
	return a
}

// addAction reads [COLUMN] [IF NOT EXISTS] def | constraint
func (p *Parser) addAction(a *ast.AlterAction) {
	if p.atTableConstraint() {
		a.Kind, a.Add = ast.AddConstraint, p.tableConstraint()
		return
	}
	p.accept("column")
	a.Kind = ast.AddColumn
	a.IfExists = p.ifNotExists()
	a.Def = p.columnDef()
	a.Name = a.Def.Name
}

// dropAction reads CONSTRAINT [IF EXISTS] name | [COLUMN] [IF EXISTS] name
func (p *Parser) dropAction(a *ast.AlterAction) {
	a.Kind = ast.DropColumn
	if p.accept("constraint") {
		a.Kind = ast.DropConstraint
	} else {
		p.accept("column")
	}
	a.IfExists = p.ifExists()
	a.Name = p.colID()
	a.Behavior = p.behavior()
}

// alterSubAction reads CONSTRAINT name … | [COLUMN] name action
func (p *Parser) alterSubAction(a *ast.AlterAction) {
	if p.accept("constraint") {
		a.Kind, a.Name, a.Add = ast.AlterConstraint, p.colID(), &ast.Constraint{}
		p.constraintAttributes(a.Add)
		return
	}
	p.accept("column")
	if p.tok.kind == tokenInteger {
		p.unsupported(p.tok, "Name the column.", "ALTER INDEX ... ALTER COLUMN by number is not supported")
	}
	a.Name = p.colID()
	switch p.expectAny("type", "set", "drop", "reset", "add", "restart") {
	case "type":
		p.columnType(a)
	case "set":
		p.setColumn(a)
	case "drop":
		p.dropFromColumn(a)
	case "reset":
		a.Kind, a.Options = ast.ResetColumnOptions, p.relOptions()
	case "add":
		p.expect("generated")
		c := &ast.Constraint{}
		p.generated(c)
		a.Kind, a.Always, a.Sequence = ast.AddIdentity, c.Always, c.Sequence
	case "restart":
		p.setIdentity(a)
	}
}

// columnType goes on after TYPE: type [COLLATE c] [USING expr]
func (p *Parser) columnType(a *ast.AlterAction) {
	a.Kind, a.Type = ast.AlterColumnType, p.typeName()
	if p.accept("collate") {
		a.Collation = p.name()
	}
	if p.accept("using") {
		a.Expr = p.expr()
	}
}

func (p *Parser) setColumn(a *ast.AlterAction) {
	if p.atOp("(") {
		a.Kind, a.Options = ast.SetColumnOptions, p.relOptions()
		return
	}
	switch p.expectAny("data", "default", "not", "statistics", "storage", "generated", "compression", "increment", "minvalue", "maxvalue", "start", "restart", "cache", "cycle", "no") {
	case "data":
		p.expect("type")
		p.columnType(a)
	case "default":
		a.Kind, a.Expr = ast.SetColumnDefault, p.expr()
	case "not":
		p.expect("null")
		a.Kind = ast.SetColumnNotNull
	case "statistics":
		a.Kind, a.Expr = ast.SetColumnStatistics, p.numeric()
	case "storage", "compression":
		a.Kind, a.Text = ast.SetColumnStorage, upper(p.last.name)
		a.NewName = p.ident(p.tok.isColID() || p.at("default"))
	default:
		p.setIdentity(a)
	}
}

// setIdentity goes on after SET word: SET GENERATED … | SET option | RESTART …, the options of the identity's sequence.
func (p *Parser) setIdentity(a *ast.AlterAction) {
	a.Kind = ast.SetIdentity
	p.back()
	for {
		p.identityOption(a)
		if !p.accept("set") && !p.at("restart") {
			return
		}
	}
}

func (p *Parser) identityOption(a *ast.AlterAction) {
	if !p.accept("generated") {
		o := p.sequenceOption()
		if o == nil {
			p.fail()
		}
		a.Sequence = append(a.Sequence, o)
		return
	}
	a.Text = "GENERATED"
	a.Always = p.expectAny("always", "by") == "always"
	if !a.Always {
		p.expect("default")
	}
}

func (p *Parser) dropFromColumn(a *ast.AlterAction) {
	switch p.expectAny("default", "not", "identity", "expression") {
	case "default":
		a.Kind = ast.DropColumnDefault
	case "not":
		p.expect("null")
		a.Kind = ast.DropColumnNotNull
	case "identity":
		a.Kind, a.IfExists = ast.DropIdentity, p.ifExists()
	case "expression":
		a.Kind, a.IfExists = ast.DropExpression, p.ifExists()
	}
}

func (p *Parser) setAction(a *ast.AlterAction) {
	if p.atOp("(") {
		a.Kind, a.Options = ast.SetOptions, p.relOptions()
		return
	}
	switch p.expectAny("schema", "logged", "unlogged", "tablespace", "without", "access") {
	case "schema":
		a.Kind, a.Name = ast.SetSchema, p.colID()
	case "logged":
		a.Kind = ast.SetLogged
	case "unlogged":
		a.Kind = ast.SetUnlogged
	case "tablespace":
		a.Kind, a.Name = ast.SetTablespace, p.colID()
	case "without":
		p.expectAny("cluster", "oids")
		a.Kind = ast.SetWithoutCluster
	case "access":
		p.unsupported(p.last, "Leave it out: collections have one access method.", "SET ACCESS METHOD is not supported")
	}
}

// renameAction reads TO name | CONSTRAINT name TO name | [COLUMN] name TO name
func (p *Parser) renameAction(a *ast.AlterAction) {
	switch {
	case p.accept("to"):
		a.Kind, a.NewName = ast.RenameTo, p.colID()
		return
	case p.accept("constraint"):
		a.Kind, a.Name = ast.RenameConstraint, p.colID()
	default:
		p.accept("column")
		a.Kind, a.Name = ast.RenameColumn, p.colID()
	}
	p.expect("to")
	a.NewName = p.colID()
}

// switchAction reads what turns row security, triggers and the like on and off.
func (p *Parser) switchAction(a *ast.AlterAction, word string) {
	switch {
	case word == "no" && p.accept("inherit"):
		a.Kind, a.Parent = ast.NoInheritFrom, p.name()
	case word == "replica" && p.accept("identity"):
		a.Kind = ast.ReplicaIdentity
		a.Text = upper(p.expectAny("nothing", "full", "default", "using"))
		if a.Text == "USING" {
			p.expect("index")
			a.Name = p.colID()
		}
	case word == "no" && p.accept("force", "row", "level", "security"):
		a.Kind, a.Text = ast.RowSecurity, "NO FORCE"
	case word != "replica" && p.accept("row", "level", "security"):
		a.Kind, a.Text = ast.RowSecurity, upper(word)
	case word == "enable" || word == "disable":
		p.triggerAction(a, word)
	default:
		p.fail()
	}
}

// triggerAction reads [ALWAYS | REPLICA] TRIGGER | RULE name | ALL | USER
func (p *Parser) triggerAction(a *ast.AlterAction, word string) {
	a.Kind, a.Text = ast.Triggers, upper(word)
	if mode := p.acceptAny("always", "replica"); mode != "" {
		a.Text += " " + upper(mode)
	}
	a.Text += " " + upper(p.expectAny("trigger", "rule"))
	a.Name = p.ident(p.tok.isColID() || p.atAny("all", "user"))
}
