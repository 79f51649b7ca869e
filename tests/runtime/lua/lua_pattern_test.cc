// Goal: the bounded pattern functions answer what Lua 5.1's do. Method: the reference manual's
//       rules
// and corner cases by hand.
#include "tests/runtime/lua/lua_fixture.h"

namespace millrace::runtime {
namespace {

using LuaPatternTest = LuaFixture;

TEST_F(LuaPatternTest, Finds) {
    EXPECT_EQ(value_of("{('hello'):find('l')}"), "[3,3]");
    EXPECT_EQ(value_of("{('hello'):find('l+')}"), "[3,4]");
    EXPECT_EQ(value_of("{('hello'):find('xyz') == nil}"), "[true]");
    EXPECT_EQ(value_of("{('a.b'):find('.', 1, true)}"), "[2,2]");
    EXPECT_EQ(value_of("{('a.b'):find('%.')}"), "[2,2]");
    EXPECT_EQ(value_of("{('hello'):find('(l)(l)')}"), R"([3,4,"l","l"])");
    EXPECT_EQ(value_of("{('hello'):find('', 10)}"), "[6,5]");
    EXPECT_EQ(value_of("{('hello'):find('o', -1)}"), "[5,5]");
    EXPECT_EQ(value_of("{('hello'):find('h', -100)}"), "[1,1]");
    EXPECT_EQ(value_of("{('hello'):find('^e') == nil, ('hello'):find('^h')}"), "[true,1,1]");
    EXPECT_EQ(value_of("{('a\\0b'):find('\\0')}"), "[2,2]");
    EXPECT_EQ(value_of("{('a\\0b'):find('%z')}"), "[2,2]");
    EXPECT_EQ(value_of("{(''):find('')}"), "[1,0]");
    EXPECT_EQ(value_of("{('abc'):find('b', nil)}"), "[2,2]");
}

TEST_F(LuaPatternTest, Matches) {
    EXPECT_EQ(value_of("('key = value'):match('^(%w+)%s*=%s*(%w+)$')"), "\"key\"");
    EXPECT_EQ(value_of("{('2026-01-31'):match('(%d+)-(%d+)-(%d+)')}"), R"(["2026","01","31"])");
    EXPECT_EQ(value_of("('  trim  '):match('^%s*(.-)%s*$')"), "\"trim\"");
    EXPECT_EQ(value_of("('f(a(b)c)d'):match('%b()')"), "\"(a(b)c)\"");
    EXPECT_EQ(value_of("('THE (quick) fox'):find('%((%a+)%)')"), "5");
    EXPECT_EQ(value_of("('hello'):match('()ll()')"), "3");
    EXPECT_EQ(value_of("('\"a\" \\'b\\''):match('([\"\\'])(.-)%1')"), R"("\"")");
    EXPECT_EQ(value_of("('[[x]]'):match('%[%[(.*)%]%]')"), "\"x\"");
    EXPECT_EQ(value_of("('a-b'):match('[a-]+')"), "\"a-\"");
    EXPECT_EQ(value_of("('x]y'):match('[]]')"), "\"]\"");
    EXPECT_EQ(value_of("('x^y'):match('[x^]+')"), "\"x^\"");
    EXPECT_EQ(value_of("('abc123'):match('[^%d]+')"), "\"abc\"");
    EXPECT_EQ(value_of("('THE (quick) fox'):match('%f[%a]%a+', 5)"), "\"quick\"");
    EXPECT_EQ(value_of("('aaa'):match('a-')"), "\"\"");
    EXPECT_EQ(value_of("('aaa'):match('a-$')"), "\"aaa\"");
    EXPECT_EQ(value_of("('ab'):match('a?b')"), "\"ab\"");
    EXPECT_EQ(value_of("('$x'):match('$x')"), "\"$x\"") << "a dollar counts at the end only";
}

TEST_F(LuaPatternTest, WalksWithGmatch) {
    EXPECT_EQ(value_of("(function() local s = '' for w in ('one two  three'):gmatch('%a+') do s = "
                       "s .. w .. '|' end return s end)()"),
              "\"one|two|three|\"");
    EXPECT_EQ(value_of("(function() local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do "
                       "t[k] = v end return t end)()"),
              R"({"a":"1","b":"2"})");
    EXPECT_EQ(
        value_of(
            "(function() local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end return n end)()"),
        "4");
    EXPECT_EQ(value_of("(function() local n = 0 for _ in ('abc'):gmatch('x*') do n = n + 1 end "
                       "return n end)()"),
              "4");
}

TEST_F(LuaPatternTest, ReplacesWithGsub) {
    EXPECT_EQ(value_of("{('hello'):gsub('l', 'L')}"), R"(["heLLo",2])");
    EXPECT_EQ(value_of("{('hello'):gsub('l', 'L', 1)}"), R"(["heLlo",1])");
    EXPECT_EQ(value_of("{('hello world'):gsub('(%w+)', '<%1>')}"), R"(["<hello> <world>",2])");
    EXPECT_EQ(value_of("{('hello'):gsub('', '-')}"), R"(["-h-e-l-l-o-",6])");
    EXPECT_EQ(value_of("{('abc'):gsub('%w', '%0%0')}"), R"(["aabbcc",3])");
    EXPECT_EQ(value_of("{('abc'):gsub('b', '%%')}"), R"(["a%c",1])");
    EXPECT_EQ(value_of("{('$name is $age'):gsub('%$(%w+)', {name = 'Ann', age = 5})}"),
              R"(["Ann is 5",2])");
    EXPECT_EQ(value_of("{('$a $b'):gsub('%$(%w)', function(k) if k == 'a' then return 1 end end)}"),
              R"(["1 $b",2])");
    EXPECT_EQ(value_of("{('abc'):gsub('^a', 'x')}"), R"(["xbc",1])");
    EXPECT_EQ(value_of("{('aaa'):gsub('^a', 'x')}"), R"(["xaa",1])");
    EXPECT_EQ(value_of("{('abc'):gsub('(b)()', '%2')}"), R"(["a3c",1])");
    EXPECT_EQ(value_of("{('abc'):gsub('b', 7)}"), R"(["a7c",1])");
    EXPECT_EQ(value_of("{(''):gsub('', 'x')}"), R"(["x",1])");
    EXPECT_EQ(value_of("{('abc'):gsub('b', 'x', 0)}"), R"(["abc",0])");
}

TEST_F(LuaPatternTest, RefusesMalformedPatterns) {
    for (const char* call :
         {"('a'):find('[a')", "('a'):find('%')", "('a'):find('(a')", "('a'):match('a)')",
          "('a'):find('%1')", "('a'):find('%b')", "('a'):find('%bx')", "('a'):find('%f')",
          "('a'):find('[')", "('a'):find('[%')", "('a'):gsub('a', '%2')", "('a'):gsub('a', true)",
          "('a'):gsub('a', function() return {} end)", "('a'):find('[^')", "('a'):find('[]')",
          "('aa'):find('(a)%2')", "('a'):rep(40):find(('(a)'):rep(40))"}) {
        const ScriptHandle handle =
            compile("return function() return " + std::string(call) + " end");
        const InvocationResult& result = run(handle);
        EXPECT_EQ(result.status, InvocationStatus::kFailed)
            << call << " gave " << result.result_json;
    }
}

}  // namespace
}  // namespace millrace::runtime
