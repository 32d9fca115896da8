package server

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// envPrefix begins every environment variable that is configuration.
const envPrefix = "ACQUIT_"

// Source says where a Config comes from. Later ones override earlier ones: the
// defaults, File, Environ, Flags.
type Source struct {
	File    string         // path of a YAML file; empty means none
	Environ Environ        // as os.Environ gives it; only ACQUIT_… is read
	Flags   map[string]any // by key, such as "grpc_addr"
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Key     string // the key of the file or the name of the variable
	Message string // what is wrong and what would be right; never a value that may be secret
}

// ConfigError lists everything that is wrong with a configuration.
type ConfigError struct {
	Problems []Problem
}

// Error implements error, a line per problem.
func (e *ConfigError) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		lines = append(lines, p.Key+": "+p.Message)
	}
	return strings.Join(lines, "\n")
}

// Load reads a configuration and checks it. It is strict: an unknown key, a
// value of another type and a number where a duration belongs are refused, all
// in one *ConfigError, so that a typing error cannot silently mean the default.
func Load(s Source) (Config, error) {
	raw := koanf.New(".")
	if s.File != "" {
		if err := raw.Load(file.Provider(s.File), yaml.Parser()); err != nil {
			return Config{}, fmt.Errorf("config %s: %w", s.File, err)
		}
	}
	schema := schemaOf(reflect.TypeFor[Config](), "")
	problems := schema.unknown(raw.Raw(), "")
	if err := raw.Load(env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return s.Environ },
		TransformFunc: func(name, value string) (string, any) {
			key, parsed, problem := schema.variable(name, value)
			if problem != nil {
				problems = append(problems, *problem)
			}
			return key, parsed
		},
	}), nil); err != nil {
		return Config{}, fmt.Errorf("environment: %w", err)
	}
	if err := raw.Load(confmap.Provider(s.Flags, "."), nil); err != nil {
		return Config{}, fmt.Errorf("flags: %w", err)
	}
	config, refused := decode(raw)
	problems = append(problems, refused...)
	if len(problems) == 0 {
		problems = config.problems()
	}
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Key, b.Key) })
		return Config{}, &ConfigError{Problems: slices.Compact(problems)}
	}
	return config, nil
}

// decode writes what was read over the defaults. Lists replace the default list.
func decode(raw *koanf.Koanf) (Config, []Problem) {
	config := Default()
	err := raw.UnmarshalWithConf("", &config, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook: decodeHook,
		ZeroFields: true,
	}})
	return config, decodeProblems(err)
}

// decodeHook reads the two types that YAML has no word for.
func decodeHook(from, to reflect.Type, value any) (any, error) {
	switch to {
	case reflect.TypeFor[time.Duration]():
		text, ok := value.(string)
		if !ok {
			return nil, errors.New("must be a duration with a unit, such as 20s or 2m")
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no duration such as 20s or 2m", text)
		}
		return d, nil
	case reflect.TypeFor[Secret]():
		text, ok := value.(string)
		if !ok {
			return nil, errInlineSecret
		}
		return ParseSecret(text)
	}
	if from.Kind() == reflect.Float64 && (to.Kind() == reflect.Int || to.Kind() == reflect.Int64) {
		return nil, errors.New("must be a whole number")
	}
	return value, nil
}

// decodeProblems takes the decoder's errors apart, one problem each.
func decodeProblems(err error) []Problem {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var all []Problem
		for _, one := range joined.Unwrap() {
			all = append(all, decodeProblems(one)...)
		}
		return all
	}
	if one, ok := errors.AsType[*mapstructure.DecodeError](err); ok {
		return []Problem{{Key: one.Name(), Message: one.Unwrap().Error()}}
	}
	return []Problem{{Key: "config", Message: err.Error()}}
}
