using System.Runtime.CompilerServices;

namespace NBit.TestApp;

/// <summary>Does what the package adds to a project, if the test asks for it.</summary>
internal static class Startup
{
    [ModuleInitializer]
    internal static void Register()
    {
        if (Environment.GetEnvironmentVariable("NBIT_TEST_REGISTER") == "1")
        {
            NBitRuntime.Register();
        }
    }
}
