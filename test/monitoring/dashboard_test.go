package monitoring

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// panel is one rectangle of the dashboard.
type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	GridPos     struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	} `json:"gridPos"`
	Targets []struct {
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
	} `json:"targets"`
}

// Goal: the dashboard loads, names only metrics and labels that there are, and can be
// read: rows of panels that do not cover each other, each with a title and a sentence.
// Method: the JSON is parsed, its expressions held against the table of metrics, and
// the rectangles against each other.
func TestDashboard(t *testing.T) {
	var board struct {
		Panels     []panel `json:"panels"`
		Templating struct {
			List []struct {
				Name  string `json:"name"`
				Type  string `json:"type"`
				Query any    `json:"query"`
			} `json:"list"`
		} `json:"templating"`
	}
	if err := json.Unmarshal(read(t, filepath.Join(deploy, "grafana/acquit.json")), &board); err != nil {
		t.Fatal(err)
	}
	known := metrics(t)
	ids, rows := map[int]bool{}, 0
	for i, p := range board.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: its id is not its own, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, other := range board.Panels[:i] {
			if p.covers(other) {
				t.Errorf("%q covers %q", p.Title, other.Title)
			}
		}
		if p.Type == "row" {
			rows++
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("%q says nothing, or shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			for _, w := range wrong(target.Expr, known) {
				t.Errorf("%q: %s", p.Title, w)
			}
			shown := regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1)
			for _, label := range shown {
				if !slices.Contains(kept(target.Expr), label[1]) {
					t.Errorf("%q: its legend shows %s, by which nothing is grouped", p.Title, label[1])
				}
			}
		}
	}
	if rows < 4 || len(board.Panels)-rows < 12 {
		t.Errorf("%d rows with %d panels: the test reads the dashboard wrongly", rows, len(board.Panels)-rows)
	}
	for _, v := range board.Templating.List {
		q := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(fmt.Sprint(v.Query))
		if v.Type == "query" && (q == nil || !slices.Contains(known[q[1]], q[2])) {
			t.Errorf("the variable %s asks for %v, which there is not", v.Name, v.Query)
		}
	}
}

func (p panel) covers(o panel) bool {
	a, b := p.GridPos, o.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// kept are the labels that an expression groups by.
func kept(expr string) []string {
	var all []string
	for _, g := range regexp.MustCompile(`\bby\s*\(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		all = append(all, words(g[1])...)
	}
	return all
}
